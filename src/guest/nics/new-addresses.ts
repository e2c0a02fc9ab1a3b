import { posix } from 'node:path';
import type { Finding } from '../../model/finding.js';
import { replaceAll, shown, type ConfigFile, type ConfigFiles, type Replacement } from '../config-files.js';
import { settingsOf } from '../sections.js';
import { shellAssignments } from '../shell-assignments.js';
import type { Card, PinnedNic } from './assign.js';
import type { FoundName, FoundNames } from './found-names.js';
import { isIfcfg, IFCFG_DIR } from './ifcfg-redhat.js';
import { ethernetAddress } from './names.js';
import { MAX_YAML_CHARS, macPlaces } from './netplan.js';
import { byteList, isKeyFile, KEY_FILE_DIR } from './network-manager.js';

/**
 * A source that says no addresses of its cards (an OVA, most often) makes new ones of them, and what the guest finds by an
 * address finds nothing any more. Where it is certain which card an address was of, its new one is written in its place.
 */

export interface Renewed {
  path: string;
  from: string;
  to: string;
}

/** By old address, for those cards whose address was made up. `pairs`: which address has which name by rules. */
export function renewals(
  cards: readonly Card[],
  names: readonly FoundName[],
  found: FoundNames,
  pinned: readonly PinnedNic[],
  pairs: readonly { mac: string; name: string }[],
): Map<string, string> {
  const made = new Set(cards.filter(({ addressMade }) => addressMade).map(({ mac }) => mac));
  if (made.size === 0) return new Map();
  const present = new Set(cards.map(({ mac }) => mac));
  const gone = new Set([...found.addresses.keys(), ...pairs.map(({ mac }) => mac)].filter((mac) => !present.has(mac)));
  const own = new Map<string, Set<string>>();
  const add = (mac: string, name: string) => own.set(mac, (own.get(mac) ?? new Set()).add(name));
  for (const { name, macs } of names) macs.forEach((mac) => add(mac, name));
  const known = new Set(names.map(({ name }) => name));
  for (const { mac, name } of pairs) if (known.has(name)) add(mac, name);
  const from = new Map<string, string[]>();
  for (const mac of gone) {
    const [name, ...more] = own.get(mac) ?? [];
    // Without a name, only the one address there is can be that of the one card; with one, that of the card of this name.
    const isAlone = name === undefined && cards.length === 1 && gone.size === 1 && names.length === 0;
    const to = isAlone ? cards[0]?.mac : cardOf(name, pinned);
    const fits = more.length === 0 && (name === undefined || !found.plain.has(name));
    if (to !== undefined && made.has(to) && fits) from.set(to, [...(from.get(to) ?? []), mac].slice(0, 2));
  }
  // What fits any card may be what the card used, and the address that of a machine that this one is a copy of.
  if (found.fitsAny) return new Map();
  return new Map(
    [...from].flatMap(([to, [one, other]]) => (one !== undefined && other === undefined ? [[one, to]] : [])),
  );
}

/** A rule that has an address that was made up is one of ours, and no evidence. */
function cardOf(name: string | undefined, pinned: readonly PinnedNic[]): string | undefined {
  const pin = pinned.find((each) => each.name === name);
  return pin?.evidence === 'name' || pin?.evidence === 'only-one' ? pin.mac : undefined;
}

/** Writes them where the guest finds a card by its address, and nowhere else; all else stays byte for byte. */
export async function renewAddresses(files: ConfigFiles, wanted: ReadonlyMap<string, string>): Promise<Renewed[]> {
  if (wanted.size === 0) return [];
  const done = new Map<string, Renewed>();
  for (const { path, text, places } of await placesIn(files)) {
    const changes: Replacement[] = [];
    for (const { start, end, old, quote } of places.flatMap((place) => addressesAt(text, place))) {
      const from = ethernetAddress(byteList(old)) ?? '';
      const to = wanted.get(from);
      if (to === undefined) continue;
      changes.push({ start, end, by: `${quote}${writtenAs(old, to)}${quote}` });
      done.set(`${path} ${from}`, { path, from, to });
    }
    if (changes.length > 0) await files.write(path, replaceAll(text, changes));
  }
  return [...done.values()];
}

export function renewedFinding({ path, from, to }: Renewed): Finding {
  return {
    id: 'guest.nic-mac-new',
    severity: 'info',
    message: `${shown(path)} is for a network card with the address ${from}, and the source says no addresses; a light conversion puts ${to} there, which the card got.`,
    remedy: "Look at the guest's addresses in the rehearsal; where it is not converted, give the card the old address.",
  };
}

interface Place {
  start: number;
  end: number;
  /** What the new text needs around it. */
  quote?: string;
}

async function placesIn(files: ConfigFiles): Promise<{ path: string; text: string; places: Place[] }[]> {
  const ifcfg = await files.all(IFCFG_DIR, isIfcfg);
  const keyFiles = await files.all(KEY_FILE_DIR, isKeyFile);
  let chars = 0;
  const plans = await files.all('/etc/netplan', (name) => /^[^.].*\.ya?ml$/.test(name));
  const read = plans.filter(({ text }) => (chars += text.length) <= MAX_YAML_CHARS);
  const units = await unitsIn(files);
  const by = (all: ConfigFile[], places: (text: string) => Place[]) =>
    all.map(({ path, text }) => ({ path, text, places: places(text) }));
  return [
    ...by(ifcfg, (text) => shellAssignments(text).filter(({ key, torn }) => /^(HWADDR|PHYSDEV)$/.test(key) && !torn)),
    ...by(keyFiles, (text) =>
      settingsOf(text, false).filter(
        ({ section, key }) =>
          (/^(802-3-)?ethernet$/.test(section) && key === 'mac-address') ||
          (/^(mac)?vlan$/.test(section) && key === 'parent'),
      ),
    ),
    ...by(units, (text) =>
      settingsOf(text, true).filter(({ section, key }) => section === 'Match' && /^(Permanent)?MACAddress$/.test(key)),
    ),
    ...by(read, macPlaces),
  ];
}

/** systemd's, with their drop-ins. */
async function unitsIn(files: ConfigFiles): Promise<ConfigFile[]> {
  const dir = '/etc/systemd/network';
  const found = await files.all(dir, (name) => /\.(network|link)$/.test(name));
  for (const name of await files.list(dir)) {
    if (/\.(network|link)\.d$/.test(name)) {
      found.push(...(await files.all(posix.join(dir, name), (each) => each.endsWith('.conf'))));
    }
  }
  return found;
}

const ADDRESS =
  /(?<![\w:.;-])(?:[0-9a-f]{1,2}(?:[:-][0-9a-f]{1,2}){5}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}|\d{1,3}(?:;\d{1,3}){5})(?![\w:.-])/gi;

/** Each address in a value, which may go on over several lines with remarks between them. */
function addressesAt(text: string, { start, end, quote = '' }: Place): (Required<Place> & { old: string })[] {
  let at = start;
  return text
    .slice(start, end)
    .split('\n')
    .flatMap((line, nth) => {
      const from = at;
      at += line.length + 1;
      if (nth > 0 && /^\s*[#;]/.test(line)) return [];
      return [...line.matchAll(ADDRESS)].map(({ index, 0: old }) => {
        return { start: from + index, end: from + index + old.length, old, quote };
      });
    });
}

/** In the way in which the old one is written. */
function writtenAs(old: string, to: string): string {
  const pairs = to.split(':');
  if (old.includes(';')) return pairs.map((pair) => parseInt(pair, 16)).join(';');
  const joined = old.includes('.')
    ? pairs.join('').replace(/(.{4})(?!$)/g, '$1.')
    : pairs.join(old.includes('-') ? '-' : ':');
  return /[A-F]/.test(old) ? joined.toUpperCase() : joined;
}
