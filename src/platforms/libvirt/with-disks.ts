import type { ApplianceDisk } from '../../model/guest-disks.js';
import type { VmDescription } from '../../model/vm.js';
import type { ReadableDisks } from '../platform.js';
import { accelerator } from '../accelerator.js';
import type { LibvirtConnection } from './connect.js';
import { runState } from './power.js';

const FORMATS = ['raw', 'qcow2', 'vmdk', 'vdi', 'vpc', 'vhdx'] as const;

/** See `SourceSite.withDisks`. What a running guest has on its disks is torn, and is not looked at. */
export async function withDisks<T>(
  at: LibvirtConnection,
  vm: VmDescription,
  disks: readonly string[],
  work: (readable: ReadableDisks) => Promise<T>,
  signal?: AbortSignal,
): Promise<T | null> {
  if ((await runState(at, vm.name, signal))?.state !== 'off') return null;
  const readable = vm.disks.flatMap(({ id, path, format }): ApplianceDisk[] => {
    const known = FORMATS.find((each) => each === format);
    return disks.includes(id) && path !== null && known !== undefined ? [{ id, path, format: known }] : [];
  });
  return await work({ host: at.host, accelerator: await accelerator(at.host, signal), disks: readable });
}
