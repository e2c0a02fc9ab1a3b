import { VmferryError } from '../../errors.js';
import type { LibvirtConnection } from './connect.js';
import { readDomain } from './domain.js';
import { pngFromPpm } from './png.js';
import type { XmlElement } from '../xml.js';

/** What is to be seen of a guest: its screen and its serial console. */

const CONSOLE_BYTES = 64 * 1024;
const PNG_MAGIC = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

export async function screenshot(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<Buffer | null> {
  const { uuid, live } = await readDomain(at, vm, signal);
  if (!live?.at('devices/video') || live.at('devices/video/model')?.get('type') === 'none') return null;
  // Through cat, as standard output may be a socket, which virsh cannot open by name.
  const script = 'virsh --quiet --connect "$1" screenshot --domain "$2" --file /dev/stdout | cat';
  const picture = await at.host.runBinary('sh', ['-c', script, 'sh', at.virsh.uri, uuid], { signal });
  if (picture.subarray(0, PNG_MAGIC.length).equals(PNG_MAGIC)) return picture;
  if (picture.subarray(0, 2).toString('latin1') === 'P6') return pngFromPpm(picture);
  throw new VmferryError('ToolFailed', `cannot take a picture of ${vm}: virsh gave neither PNG nor PPM`, {
    platform: 'libvirt',
  });
}

export async function consoleText(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<string | null> {
  const { live, definition } = await readDomain(at, vm, signal);
  const path = consoleFile(live ?? definition);
  if (path === null) return null;
  const script = '[ -r "$1" ] || exit 44; exec tail -c "$2" -- "$1"';
  const args = ['-c', script, 'sh', path, String(CONSOLE_BYTES)];
  const { stdout, exitCode } = await at.host.run('sh', args, { signal, okExitCodes: [0, 44] });
  return exitCode === 0 ? stdout : null;
}

/** The file that records the first serial port or console: its log, or the file that it is. */
export function consoleFile(domain: XmlElement): string | null {
  for (const name of ['serial', 'console']) {
    for (const port of domain.at('devices')?.all(name) ?? []) {
      const path = port.at('log')?.get('file') ?? (port.get('type') === 'file' ? port.at('source')?.get('path') : null);
      if (path) return path;
    }
  }
  return null;
}
