import { replaceAll, type ConfigFiles, type Replacement } from '../config-files.js';
import type { PinnedNic } from './assign.js';
import type { LinkFile } from './links.js';
import { isKernelName } from './names.js';
import type { Naming } from './naming.js';
import type { NameRule } from './udev-rules.js';

/** Writes the pins, each in the way that holds in this guest, and changes what says otherwise. */

const RULES_PATH = '/etc/udev/rules.d/70-persistent-net.rules';
const REMARK =
  '# Written by vmferry: keeps the name of the network card with this address, whatever its model and place.';

export interface Present {
  naming: Naming;
  rules: readonly NameRule[];
  links: readonly LinkFile[];
}

/** `macs`: all of the machine's cards, so that a card that has no name to hold does not take another's. */
export async function writePins(
  files: ConfigFiles,
  pinned: readonly PinnedNic[],
  macs: readonly string[],
  { naming, rules, links }: Present,
): Promise<void> {
  const changes = new Map<string, Replacement[]>();
  const change = (path: string, { start, end }: { start: number; end: number }, by: string) =>
    changes.set(path, [...(changes.get(path) ?? []), { start, end, by }]);
  const byMac = new Map(pinned.map((each) => [each.mac, each.name]));
  const taken = new Set(byMac.values());

  for (const rule of rules) {
    const name = byMac.get(rule.mac);
    if (name !== undefined && name !== rule.name) change(rule.path, rule, name);
    // What only one card can be called goes to the one that the configuration means.
    else if (name === undefined && macs.includes(rule.mac) && taken.has(rule.name)) change(rule.path, rule.line, '');
  }
  const ruled = new Set(rules.map(({ mac }) => mac));
  const linked = new Set<string>();
  for (const { mac, name } of pinned) {
    if (ruled.has(mac)) continue;
    const first = links.find((each) => each.mayMatch(mac));
    if (first?.pin?.mac !== mac) continue;
    linked.add(mac);
    if (first.pin.name !== name) change(first.path, first.pin, name);
  }
  for (const [path, replacements] of changes) {
    await files.write(path, replaceAll((await files.read(path)) ?? '', replacements));
  }

  for (const { mac, name } of pinned) {
    if (ruled.has(mac) || linked.has(mac)) continue;
    const path = linkPath(name);
    const before = links.some((each) => each.name <= path.slice(path.lastIndexOf('/') + 1) && each.mayMatch(mac));
    if (naming.links && !isKernelName(name) && !before) await files.write(path, linkText(mac, name), 0o644);
    else await addRule(files, mac, name);
  }
}

function linkPath(name: string): string {
  return `/etc/systemd/network/70-vmferry-${name}.link`;
}

/**
 * systemd.link(5). VLANs, bonds, bridges and macvlans have the MAC of a card below them, and `Type=ether` fits them too;
 * `Kind=!*` came with systemd 251 only. `Path=*` fits what udev found a place on a bus for (ID_PATH), which is every card
 * and nothing that software made, in all versions. Without NamePolicy=, Name= is what counts.
 */
function linkText(mac: string, name: string): string {
  return `${REMARK}\n[Match]\nMACAddress=${mac}\nPath=*\n\n[Link]\nName=${name}\n`;
}

/** The rule that older udevs write themselves (rules/75-persistent-net-generator.rules); DRIVERS is for real cards only. */
async function addRule(files: ConfigFiles, mac: string, name: string): Promise<void> {
  const text = (await files.read(RULES_PATH)) ?? '';
  const rule =
    `SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${mac}", ` +
    `ATTR{dev_id}=="0x0", ATTR{type}=="1", NAME="${name}"`;
  const gap = text === '' || text.endsWith('\n') ? '' : '\n';
  await files.write(RULES_PATH, `${text}${gap}${REMARK}\n${rule}\n`, 0o644);
}
