import type { InspectedGuest } from '../../model/guest.js';
import { PLATFORM_TOOLS, PLATFORMS_WITH_TOOLS } from '../../model/platform-tools.js';
import type { Appliance } from '../appliance.js';
import type { GuestTree } from '../tree.js';

const MOST_APPLICATIONS = 5000;
const MOST_SERVICES = 1000;
const MOST_CHARS = 200;
/** libguestfs itself reads no package list of more than 50 MB. */
const MOST_OUTPUT_BYTES = 128 * 1024 * 1024;

const FOLDERS = ['/usr/bin', '/usr/sbin', '/sbin', '/bin', '/usr/local/bin', '/usr/local/sbin'];

export async function toolsIn(tree: GuestTree): Promise<InspectedGuest['tools']> {
  const found = await programsIn(tree);
  return PLATFORMS_WITH_TOOLS.filter((each) => PLATFORM_TOOLS[each].programs.some((name) => found.has(name)));
}

export async function guestAgentIn(tree: GuestTree): Promise<boolean> {
  return (await programsIn(tree)).has('qemu-ga');
}

async function programsIn(tree: GuestTree): Promise<Set<string>> {
  return new Set((await Promise.all(FOLDERS.map((folder) => tree.list(folder)))).flat());
}

/** Units that are wanted by others through links in /etc (systemd.unit(5), [Install]). */
export async function servicesOf(tree: GuestTree, notSeen: string[]): Promise<string[]> {
  const base = '/etc/systemd/system';
  const names = new Set<string>();
  for (const folder of (await tree.list(base)).filter((name) => name.endsWith('.wants')).slice(0, 100)) {
    for (const name of await tree.list(`${base}/${folder}`)) if (name.length <= MOST_CHARS) names.add(name);
  }
  if (names.size > MOST_SERVICES) notSeen.push(`services beyond the first ${MOST_SERVICES}`);
  return [...names].sort().slice(0, MOST_SERVICES);
}

export async function applicationsOf(
  appliance: Appliance,
  root: string,
  notSeen: string[],
): Promise<InspectedGuest['applications']> {
  const text = await appliance.maybe(['inspect-list-applications2', root], { maxOutputBytes: MOST_OUTPUT_BYTES });
  if (text === null) notSeen.push('the list of its packages');
  const found: InspectedGuest['applications'] = [];
  for (const [, name = '', version = ''] of (text ?? '').matchAll(
    /^ {2}app2_name: (.*)$(?:\n(?! {2}app2_version| {2}app2_name).*$)*\n {2}app2_version: (.*)$/gm,
  )) {
    if (found.length === MOST_APPLICATIONS) {
      notSeen.push(`packages beyond the first ${MOST_APPLICATIONS}`);
      break;
    }
    found.push({ name: name.slice(0, MOST_CHARS), version: version.slice(0, MOST_CHARS) });
  }
  return found;
}
