import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openNbd, type NbdDevice } from '../../blocks/index.js';
import { VmferryError } from '../../errors.js';
import { startChild, type Child } from '../../exec/child.js';
import { LocalHost } from '../../exec/local.js';
import { checkImage } from './image-check.js';
import { ExportNodes, qemuNbd } from './export-nodes.js';
import type { Image } from '../replica/state.js';
import type { ImageChain } from './image-chain.js';
import { ownPath } from './own-files.js';
import { checkQcowTables } from './qcow-tables.js';

/** A disk's image, read by a qemu-nbd of its own that does not outlive this process. */
export interface ImageExport {
  reader: NbdDevice;
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
 * @throws VmferryError `HostileInput` where it is damaged or QEMU does not take it, `NotSupported`, `Timeout`.
 */
export async function exportChain(chain: ImageChain, check: boolean, signal?: AbortSignal): Promise<ImageExport> {
  assertReadable(chain);
  return await exporting(async (start, folder) => {
    const nodes = new ExportNodes(folder, async (what, file, args) => {
      const { socket, device } = await start(what, file, args);
      await device.close();
      return socket;
    });
    const host = new LocalHost();
    const node = await nodes.image(chain.layers, async ({ format, member }, layer) => {
      if (!check) return;
      if (format === 'qcow') await checkQcowTables(member, signal);
      else await checkImage(host, format, member.name, layer, signal);
    });
    const { member, header } = chain.layers[0]!;
    const served = await start(member.name, 'qemu-nbd', (socket) => qemuNbd(socket, node));
    if (served.device.sizeBytes === header.sizeBytes) return served;
    await served.device.close();
    throw new VmferryError(
      'HostileInput',
      `cannot read ${member.name}: it is of ${header.sizeBytes} bytes by its header, and of ${served.device.sizeBytes} to QEMU`,
      { platform: 'files', remedy: 'Convert it with `qemu-img convert`, and look at the result.' },
    );
  }, signal);
}

/** An image of our own with all that it stands on, which QEMU may open as it is. @throws as `exportChain`. */
export async function exportOwn({ path, format }: Image, signal?: AbortSignal): Promise<ImageExport> {
  const node = { driver: format, 'read-only': true, file: { driver: 'file', filename: path, 'read-only': true } };
  return await exporting((start) => start(path, 'qemu-nbd', (socket) => qemuNbd(socket, node)), signal);
}

interface Served {
  socket: string;
  device: NbdDevice;
}
type Start = (what: string, file: string, args: (socket: string) => string[]) => Promise<Served>;

/** Has servers started in a folder of their own; all of them end with the one that is exported. */
async function exporting(
  begin: (start: Start, folder: string) => Promise<Served>,
  signal?: AbortSignal,
): Promise<ImageExport> {
  const folder = await ownPath(tmpdir());
  await mkdir(folder, { mode: 0o700 });
  const children: Child[] = [];
  let reader: NbdDevice | null = null;
  const close = async () => {
    await reader?.close();
    for (const child of children.reverse()) await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const start: Start = async (what, file, args) => {
    const socket = join(folder, `socket-${children.length}`);
    const child = startChild(file, args(socket));
    children.push(child);
    return { socket, device: await answering(child, what, socket, signal) };
  };
  try {
    const { device, socket } = await begin(start, folder);
    reader = device;
    return { reader, socketPath: socket, close };
  } catch (error) {
    await close();
    throw error;
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
