import type { Host } from '../exec/host.js';
import type { SiteTools } from '../model/tools.js';

/** Asks programs for their versions, as each tells it (`qemu-img version 7.2.22 (…)`, `guestfish 1.48.6`). */

const SCRIPT = `
for tool in qemu-img guestfish virt-v2v-in-place; do
  ! command -v "$tool" >/dev/null || "$tool" --version 2>/dev/null
done
exit 0`;

/** By the beginning of its line. */
const PROGRAMS = [
  ['qemu-img', 'qemu-img version'],
  ['libguestfs', 'guestfish'],
  ['virt-v2v', 'virt-v2v-in-place'],
] as const;

export async function programVersions(host: Host, signal?: AbortSignal): Promise<SiteTools> {
  const { stdout } = await host.run('sh', ['-c', SCRIPT], { signal });
  return programsIn(stdout);
}

/** @param said what the programs printed, one after the other. */
export function programsIn(said: string): SiteTools {
  const found = PROGRAMS.flatMap(([name, begin]) => {
    const version = new RegExp(`^${begin} (\\d+(?:\\.\\d+)*)`, 'm').exec(said)?.[1];
    return version === undefined ? [] : [[name, version]];
  });
  return Object.fromEntries(found) as SiteTools;
}
