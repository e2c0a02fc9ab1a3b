import { VmferryError } from '../../errors.js';
import type { Host } from '../../exec/host.js';
import { qemuImgNode, type Node } from './export-nodes.js';
import type { ImageFormat } from './foreign.js';
import type { ImageLayer } from './image-chain.js';
import type { Member } from './member.js';

/**
 * Formats of which qemu-img sees more than that all data are there (qemu-img(1), "check"), such as a cluster that is counted
 * wrongly. That nothing is missing is seen before, and in each format (table-walk.ts).
 */
const CHECKED: ImageFormat[] = ['qcow2', 'vdi', 'vhdx'];
/** All tables are read: minutes for the largest disks. */
const TIMEOUT_MS = 60 * 60_000;
/** qemu-img(1): 0 good, 3 only space that nothing uses. */
const GOOD = [0, 3];
/** Enough for all that a disk of 16 TiB needs. Of a file that only claims to be large, it would take any amount. */
const MOST_COUNTS_BYTES = 512 * 2 ** 20;

/** Whether an image contradicts itself. @throws VmferryError `HostileInput` where it does. */
export async function checkImage(host: Host, layer: ImageLayer, node: Node, signal?: AbortSignal): Promise<void> {
  const { format, member } = layer;
  if (!CHECKED.includes(format)) return;
  if (format === 'qcow2' && (await countsBytes(member, signal)) > MOST_COUNTS_BYTES) return;
  const args = ['check', '--output=human', qemuImgNode(node)];
  const options = { timeoutMs: TIMEOUT_MS, okExitCodes: [0, 1, 2, 3], signal };
  const { stdout, stderr, exitCode } = await host.run('qemu-img', args, options);
  if (GOOD.includes(exitCode)) return;
  const why =
    `${stdout}\n${stderr}`.split('\n').find((line) => /error|failed|could not/i.test(line)) ?? 'it is damaged';
  throw new VmferryError(
    'HostileInput',
    `cannot read ${member.name}: ${why.replace(/'json:.*'/, 'the image').slice(0, 300)}`,
    {
      platform: 'files',
      remedy: 'It is damaged or cut off: compare its size with where it comes from, and copy or export it again.',
    },
  );
}

/** qemu-img counts in memory how often each cluster of the file is used (QEMU, docs/interop/qcow2.txt, "Header"). */
async function countsBytes(image: Member, signal?: AbortSignal): Promise<number> {
  const header = await image.read(0, 104, signal);
  const order = header.readUInt32BE(4) < 3 ? 4 : header.readUInt32BE(96);
  return (image.sizeBytes / 2 ** header.readUInt32BE(20)) * (2 ** order / 8);
}
