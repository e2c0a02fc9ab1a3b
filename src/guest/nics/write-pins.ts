import { replaceAll, shown, type ConfigFiles, type Replacement } from '../config-files.js';
import type { PinnedNic } from './assign.js';
import type { LinkFile } from './links.js';
import { isKernelName } from './names.js';
import type { Naming } from './naming.js';
import type { AddressRule, NameRule } from './udev-rules.js';

/** Writes the pins, each in the way that holds in this guest, and changes what says otherwise. */

const RULES_PATH = '/etc/udev/rules.d/70-persistent-net.rules';
const REMARK =
  '# Written by vmferry: keeps the name of the network card with this address, whatever its model and place.';

export interface Present {
  naming: Naming;
  rules: { byMac: readonly AddressRule[]; others: readonly NameRule[] };
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

  for (const rule of rules.byMac) {
    const name = byMac.get(rule.mac);
    if (name !== undefined && name !== rule.name) change(rule.path, rule, name);
    // What only one card can be called goes to the one that the configuration means.
    else if (name === undefined && macs.includes(rule.mac) && taken.has(rule.name)) change(rule.path, rule.line, '');
  }
  // By a place that may be another card's at the target.
  for (const rule of rules.others) if (rule.onlyNames && taken.has(rule.name)) change(rule.path, rule.line, '');
  // What asks for more than the address may not be for the card any more.
  const ruled = new Set(rules.byMac.filter(({ asks }) => asks.length === 0).map(({ mac }) => mac));
  const linked = new Set<string>();
  for (const { mac, name } of pinned) {
    if (ruled.has(mac)) continue;
    const first = links.find((each) => each.mayMatch(mac));
    if (first?.pin?.mac !== mac) continue;
    if (first.asks.length === 0) linked.add(mac);
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

/** Says of what names a card by something that may be otherwise at the target whether a pin holds the name instead. */
export function noteAsked(
  files: ConfigFiles,
  pinned: readonly PinnedNic[],
  macs: readonly string[],
  { rules, links }: Pick<Present, 'rules' | 'links'>,
  byHardware: (path: string, property: string) => void,
): void {
  const byMac = (mac: string) => pinned.find((each) => each.mac === mac);
  const byName = (name: string) => pinned.find((each) => each.name === name);
  const own = links.filter(({ path }) => path.startsWith('/etc/'));
  const all = [
    ...rules.byMac.filter(({ mac }) => macs.includes(mac)).map((rule) => ({ ...rule, held: byMac(rule.mac) })),
    ...rules.others.map((rule) => ({ ...rule, held: rule.onlyNames ? byName(rule.name) : undefined })),
    ...own.flatMap(({ path, asks, pin, gives }) => {
      if (pin) return macs.includes(pin.mac) ? [{ path, asks, name: pin.name, held: byMac(pin.mac) }] : [];
      return gives === null ? [] : [{ path, asks, name: gives, held: byName(gives) }];
    }),
  ];
  for (const { path, name, asks, held } of all) {
    if (!held) asks.forEach((property) => byHardware(path, property));
    else if (asks.length > 0) {
      files.note({
        id: 'guest.nic-rule',
        severity: 'info',
        message: `${shown(path)} names a network card ${shown(name)} by its ${asks.join(' and ')}, which may be another at the target; the name is held by the address ${held.mac} instead.`,
        remedy: "Look at the guest's addresses in the rehearsal.",
      });
    }
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
