import { VmferryError } from '../../errors.js';
import type { Host } from '../../exec/host.js';
import { qemuImgNode, type Node } from './export-nodes.js';
import type { ImageFormat } from './foreign.js';

/** Formats that qemu-img can look through (qemu-img(1), "check"); of a VHD our own reader does it. */
const CHECKED: ImageFormat[] = ['qcow2', 'vmdk', 'vdi', 'vhdx'];
/** All tables are read: minutes for the largest disks. */
const TIMEOUT_MS = 60 * 60_000;
/** qemu-img(1): 0 good, 3 only space that nothing uses. */
const GOOD = [0, 3];

/**
 * Whether everything that an image's tables point to lies in it. What lies beyond the end of a file that was cut off, QEMU
 * would read as zeroes without a word.
 * @throws VmferryError `HostileInput` where it does not.
 */
export async function checkImage(
  host: Host,
  format: ImageFormat,
  name: string,
  node: Node,
  signal?: AbortSignal,
): Promise<void> {
  if (!CHECKED.includes(format)) return;
  const args = ['check', '--output=human', qemuImgNode(node)];
  const options = { timeoutMs: TIMEOUT_MS, okExitCodes: [0, 1, 2, 3], signal };
  const { stdout, stderr, exitCode } = await host.run('qemu-img', args, options);
  if (GOOD.includes(exitCode)) return;
  const why =
    `${stdout}\n${stderr}`.split('\n').find((line) => /error|failed|could not/i.test(line)) ?? 'it is damaged';
  throw new VmferryError(
    'HostileInput',
    `cannot read ${name}: ${why.replace(/'json:.*'/, 'the image').slice(0, 300)}`,
    {
      platform: 'files',
      remedy: 'It is damaged or cut off: compare its size with where it comes from, and copy or export it again.',
    },
  );
}
