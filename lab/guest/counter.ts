import { VmferryError } from '../../src/errors.js';
import { LocalHost } from '../../src/exec/local.js';

/** The guest's counter, as it lies in one block of a file named `counter` on each of its data disks. */

const DIGITS = 19;

/** The file before the first boot: one whole block, so that every later write is in place. */
export function firstCounter(): string {
  return `${'0'.repeat(DIGITS)}\n`.padEnd(4096, '\n');
}

/**
 * The counter in a raw image of an ext4 file system, running or not, without replaying its journal (debugfs(8)).
 * @throws VmferryError `ToolFailed` when there is none.
 */
export async function counterInImage(image: string): Promise<number> {
  const { stdout } = await new LocalHost().run('debugfs', ['-R', 'cat /counter', '--', image]);
  const counter = new RegExp(`^\\d{${DIGITS}}$`, 'm').exec(stdout)?.[0];
  if (!counter) throw new VmferryError('ToolFailed', `cannot find the counter in ${image}`);
  return Number(counter);
}
