import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { interceptReader, NbdServer, openNbd, type BlockReader, type NbdDevice } from '../../blocks/index.js';
import { VmferryError } from '../../errors.js';
import { startChild, type Child } from '../../exec/child.js';
import { LocalHost } from '../../exec/local.js';
import { checkImage } from './image-check.js';
import { ExportNodes, qemuNbd, type Elsewhere, type Node } from './export-nodes.js';
import type { Image } from '../replica/state.js';
import type { ImageChain } from './image-chain.js';
import { ownPath } from './own-files.js';
import { copiedMember, type Scratch } from './unpacked.js';

/** A disk's image, read by a qemu-nbd of its own that does not outlive this process. */
export interface ImageExport {
  reader: BlockReader;
  /** Where it is served, under the empty name. */
  socketPath: string;
  close(): Promise<void>;
}

const STARTING_MS = 30_000;
const LOOK_AGAIN_MS = 20;
/** Findings of images that QEMU would read as something else than they are: no waiver makes that right. */
const UNREADABLE = [
  ...['disk.differencing', 'disk.extent-not-read', 'disk.kind-not-read', 'disk.encrypted', 'disk.raw-device'],
];

/**
 * @param check looks through the tables of all layers first.
 * @param scratch takes the sparse parts of a VMDK that are no local files, which nothing could read in place.
 * @throws VmferryError `HostileInput` where it is damaged or QEMU does not take it, `NotSupported`, `Timeout`, `NoSpace`.
 */
export async function exportChain(
  chain: ImageChain,
  check: boolean,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<ImageExport> {
  assertReadable(chain);
  const { member, header } = chain.layers[0]!;
  const prepare = async (around: Around): Promise<Node> => {
    const nodes = new ExportNodes(around.folder, elsewhere(around, scratch, signal));
    const host = new LocalHost();
    return await nodes.image(chain.layers, async (layer, node) => {
      if (!check) return;
      for (const { checkTables } of [layer.header, ...layer.extentHeaders]) await checkTables?.(signal);
      await checkImage(host, layer, node, signal);
    });
  };
  const exported = await exporting(member.name, prepare, signal);
  const { sizeBytes } = exported.reader;
  if (sizeBytes === header.sizeBytes) return exported;
  await exported.close();
  throw new VmferryError(
    'HostileInput',
    `cannot read ${member.name}: it is of ${header.sizeBytes} bytes by its header, and of ${sizeBytes} to QEMU`,
    { platform: 'files', remedy: 'Convert it with `qemu-img convert`, and look at the result.' },
  );
}

/** An image of our own with all that it stands on, which QEMU may open as it is. @throws as `exportChain`. */
export async function exportOwn({ path, format }: Image, signal?: AbortSignal): Promise<ImageExport> {
  const file = { driver: 'file', filename: path, 'read-only': true };
  return await exporting(path, () => Promise.resolve({ driver: format, 'read-only': true, file }), signal);
}

/** What goes with an export, and ends with it. */
interface Around {
  /** For its sockets. */
  folder: string;
  closing: (() => Promise<void>)[];
  /** Why something could not be read that QEMU only knows as an input/output error. */
  failure: () => unknown;
}

function elsewhere(around: Around, scratch: Scratch, signal: AbortSignal | undefined): Elsewhere {
  let server: NbdServer | null = null;
  return {
    serve: async (bytes) => {
      if (!server) {
        const started = await NbdServer.listen(join(around.folder, 'bytes'));
        around.closing.push(() => started.close());
        around.failure = () => started.failure;
        server = started;
      }
      return { socketPath: server.socketPath, exportName: server.add(bytes) };
    },
    copy: async (member) => {
      const copy = await copiedMember(member, scratch, signal);
      around.closing.push(() => copy.remove());
      return copy.path;
    },
  };
}

/** Starts the server of one disk, as soon as what it stands on is prepared. */
async function exporting(
  what: string,
  prepare: (around: Around) => Promise<Node>,
  signal?: AbortSignal,
): Promise<ImageExport> {
  const folder = await ownPath(tmpdir());
  await mkdir(folder, { mode: 0o700 });
  const around: Around = { folder, closing: [], failure: () => null };
  around.closing.push(() => rm(folder, { recursive: true, force: true }));
  const close = async () => {
    for (const each of around.closing.splice(0).reverse()) await each();
  };
  try {
    const node = await prepare(around);
    const socketPath = join(folder, 'disk');
    const child = startChild('qemu-nbd', qemuNbd(socketPath, node));
    around.closing.push(() => child.stop());
    const device = await answering(child, what, socketPath, signal);
    around.closing.push(() => device.close());
    const reader = interceptReader(device, (_call, run) =>
      run().catch((error: unknown) => {
        throw around.failure() ?? error;
      }),
    );
    return { reader, socketPath, close };
  } catch (error) {
    await close();
    throw around.failure() ?? error;
  }
}

function assertReadable({ layers }: ImageChain): void {
  for (const { header, member } of layers) {
    const found = header.findings.find(({ id }) => UNREADABLE.includes(id));
    if (!found) continue;
    throw new VmferryError('NotSupported', `cannot read ${member.name}: ${found.message}`, {
      platform: 'files',
      remedy: found.remedy,
    });
  }
}

/** The export of a server that was just started, as soon as it answers. */
async function answering(server: Child, what: string, socketPath: string, signal?: AbortSignal): Promise<NbdDevice> {
  const began = performance.now();
  for (;;) {
    try {
      return await openNbd({ socketPath, readOnly: true, ...(signal ? { signal } : {}) });
    } catch (error) {
      if (!(error instanceof VmferryError) || error.code !== 'Unreachable') throw error;
      if (!server.alive()) {
        throw new VmferryError('HostileInput', `cannot read ${what}: ${await server.ended}`, {
          platform: 'files',
          remedy: 'See whether it is damaged: `qemu-img check` and `qemu-img info` tell more.',
        });
      }
      if (performance.now() - began > STARTING_MS) {
        throw new VmferryError('Timeout', `cannot read ${what}: its server does not answer`, { platform: 'files' });
      }
      await sleep(LOOK_AGAIN_MS, undefined, signal ? { signal } : {});
    }
  }
}
