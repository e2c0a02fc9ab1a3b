import { LocalHost } from '../../exec/local.js';
import { accelerator } from '../accelerator.js';
import type { ReadableDisks } from '../platform.js';
import type { FilesConnection } from './connect.js';
import { exportChain } from './export.js';
import { openDisk } from './look.js';
import type { Machine } from './machines.js';

/**
 * Has a machine's disks served by NBD on sockets of this host while `work` runs. `wanted`: of these ids; null for all.
 * Disks without a file hold nothing, and are left out.
 */
export async function served<T>(
  at: FilesConnection,
  { from, foreign }: Machine,
  wanted: readonly string[] | null,
  work: (readable: ReadableDisks) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const host = new LocalHost();
  const closing: (() => Promise<void>)[] = [];
  try {
    const disks: { id: string; nbdSocket: string }[] = [];
    for (const disk of foreign.disks) {
      if (disk.reference === null || (wanted !== null && !wanted.includes(disk.id))) continue;
      const chain = await openDisk(from, disk, at.scratch, signal);
      closing.push(() => chain.close());
      const exported = await exportChain(chain, true, at.scratch, signal);
      closing.push(() => exported.close());
      disks.push({ id: disk.id, nbdSocket: exported.socketPath });
    }
    return await work({ host, accelerator: await accelerator(host, signal), disks });
  } finally {
    for (const each of closing.reverse()) await each();
  }
}
