import type { VmKey, Whereabouts } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { diskIdOf, hardDisks } from './describe-disks.js';
import { diskPath } from './domain.js';
import { runStateOf } from './power.js';
import { parseXml } from '../xml.js';

/** Where a VM is found, whatever it is called by now, and what its disks look like. */

const GONE = /failed to get domain|domain not found/i;

/**
 * One line for each path. A file tells by inode, size and time of its last change; QEMU changes the header of a qcow2
 * file with dirty bitmaps as soon as it opens it. A block device has no such time; the kernel counts what was written to
 * it since the boot (its Documentation/block/stat.rst).
 */
const PRINTS = `
for path; do
  if [ -b "$path" ]; then
    device=$(printf '%d:%d' "0x$(stat -L -c %t -- "$path")" "0x$(stat -L -c %T -- "$path")")
    read -r reads merged_reads read read_ms writes merged_writes written rest <"/sys/dev/block/$device/stat"
    echo "$device $writes $written $(cat /proc/sys/kernel/random/boot_id)"
  else
    stat -L -c '%i %s %y' -- "$path" 2>/dev/null || echo gone
  fi
done
exit 0`;

export async function whereabouts(
  at: LibvirtConnection,
  vm: VmKey,
  disks: readonly string[],
  signal?: AbortSignal,
): Promise<Whereabouts | null> {
  const names = await at.virsh.names(signal);
  const id = 'id' in vm ? vm.id : names.get(vm.name);
  const name = [...names].find(([, uuid]) => uuid === id)?.[0];
  if (id === undefined || name === undefined) return null;
  const [run, text] = await Promise.all([
    runStateOf(at, id, signal),
    at.virsh.runOr(GONE, ['dumpxml', '--domain', id], { signal }),
  ]);
  if (run === null || text === null) return null;
  const elements = hardDisks(parseXml(text, `the definition of ${name}`));
  const paths = await Promise.all(
    disks.map(async (disk) => {
      const element = elements.find((each) => diskIdOf(each) === disk);
      return element ? await diskPath(at, element, signal) : null;
    }),
  );
  const known = paths.filter((path) => path !== null);
  const lines =
    known.length === 0
      ? []
      : (await at.host.run('sh', ['-c', PRINTS, 'sh', ...known], { signal })).stdout.trimEnd().split('\n');
  const prints = disks.map((disk, index): [string, string] => {
    const path = paths[index];
    return [disk, path == null ? 'not there' : `${lines[known.indexOf(path)] ?? '?'} ${path}`];
  });
  return { id, name, run, disks: Object.fromEntries(prints) };
}
