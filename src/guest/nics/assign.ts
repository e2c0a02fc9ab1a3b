import type { Finding } from '../../model/finding.js';
import { shown } from '../config-files.js';
import type { FoundName, FoundPattern } from './found-names.js';
import { nameByPatterns, robbedBy, toldNames } from './patterns.js';
import { choose, unclear } from './choose.js';
import { byNumber, ethernetAddress } from './names.js';

/** Which card has which name, and how that is known, best first. */

export type Evidence = 'agent' | 'config-mac' | 'udev-rule' | 'name' | 'only-one' | 'in-use' | 'order' | 'pattern';

/** A network card as the machine is described with it. */
export interface Card {
  mac: string;
  /** Number of its PCI slot at the source. */
  slot?: number | undefined;
  /** Whether the source says no address, so that this one was made up. */
  addressMade?: boolean | undefined;
}

export interface PinnedNic {
  mac: string;
  name: string;
  evidence: Evidence;
}

export interface Known {
  /** What a running guest's agent reported. */
  seen: readonly { name: string; mac: string }[];
  /** What udev rules and .link files say. */
  rules: readonly { name: string; mac: string }[];
  /** By name, the place on the PCI bus of the source that rules give it to. */
  places: ReadonlyMap<string, string>;
  /** Cards that the configuration finds by their address, so that they are hardly the ones it names. */
  nameless: ReadonlySet<string>;
  /** Whether cards have the kernel's names, such as `eth0`, unless something says otherwise. */
  kernelNames: boolean;
  patterns: readonly FoundPattern[];
}

/** `cards` in the order of the machine's description; `names` as the configuration has them. */
export function assignNames(
  cards: readonly Card[],
  names: readonly FoundName[],
  known: Known,
): { pinned: PinnedNic[]; findings: Finding[] } {
  const pinned: PinnedNic[] = [];
  const findings: Finding[] = [];
  const macs = cards.map(({ mac }) => mac);
  const freeMacs = new Set(macs);
  const freeNames = new Map(names.map((each) => [each.name, each]));
  const take = (mac: string, name: string, evidence: Evidence) => {
    if (!freeMacs.delete(mac) || !freeNames.delete(name)) return;
    pinned.push({ mac, name, evidence });
  };
  const takeClear = (pairs: Pair[], evidence: Evidence) => {
    const usable = pairs.filter(({ mac, name }) => freeMacs.has(mac) && freeNames.has(name));
    clear(usable).forEach(({ mac, name }) => take(mac, name, evidence));
  };

  const seen = known.seen.flatMap(({ name, mac }) => ({ name, mac: ethernetAddress(mac) ?? '' }));
  takeClear(seen, 'agent');
  takeClear(
    names.flatMap(({ name, macs: own }) => [...own].map((mac) => ({ name, mac }))),
    'config-mac',
  );
  // The last rule for a card is the one that counts.
  const rules = new Map(known.rules.map(({ mac, name }) => [mac, name]));
  takeClear(
    [...rules].map(([mac, name]) => ({ mac, name })),
    'udev-rule',
  );
  // A card that is known to be called something else has none of these names.
  const mayBe = cards.filter((card) => {
    const told = toldNames(card, known);
    return told.length === 0 || told.some(({ name }) => names.some((each) => each.name === name));
  });
  takeClear(
    names.flatMap(({ name }) => saidByName(name, mayBe).map((mac) => ({ mac, name }))),
    'name',
  );

  const open = mayBe.filter(({ mac }) => freeMacs.has(mac)).map(({ mac }) => mac);
  const likely = open.filter((mac) => !known.nameless.has(mac));
  const unnamed = [...likely, ...open.filter((mac) => known.nameless.has(mac))];
  const rest = [...freeNames.values()];
  const best = choose(rest, { cards: unnamed.length, likely: likely.length, all: macs.length, ...known });
  const theirs = best?.names ?? [];
  const robbed = theirs.length === unnamed.length ? robbedBy(theirs, pinned, known) : [];
  const chosen = robbed.length === 0 ? best : null;
  const [only] = chosen?.names ?? [];
  if (!chosen) {
    findings.push(unclear(rest, robbed));
  } else if (only && chosen.names.length === 1 && likely.length === 1 && chosen.why !== 'number') {
    take(likely[0] ?? '', only.name, chosen.why === 'all' ? 'only-one' : 'in-use');
  } else if (chosen.names.length > 0) {
    // The cards get them in the order of their numbers, or of the places that rules give them to.
    const place = ({ name }: FoundName) => known.places.get(name) ?? '';
    const placed = chosen.names.every((each) => place(each) !== '');
    const inOrder = [...chosen.names].sort((a, b) =>
      placed ? place(a).localeCompare(place(b), 'en') : byNumber(a.name, b.name),
    );
    const nextCards = inSlotOrder(unnamed.slice(0, inOrder.length), cards);
    inOrder.forEach(({ name }, index) => take(nextCards[index] ?? '', name, 'order'));
    const pairs = inOrder.map(({ name }, index) => `${shown(name)} is ${nextCards[index] ?? ''}`);
    findings.push({
      id: 'guest.nic-order',
      severity: 'warning',
      message: `Nothing tells which network card has which name in the guest; by their order, ${pairs.join(', ')}.`,
      remedy: "Compare with the running guest (`ip link`), or let its agent run, which reports the cards' names.",
    });
  }
  if (chosen) findings.push(...left([...freeNames.values()]));
  const fitted = nameByPatterns(cards, pinned, known, chosen !== null);
  pinned.push(...fitted.pinned);
  findings.push(...fitted.findings);
  return { pinned: pinned.sort((a, b) => macs.indexOf(a.mac) - macs.indexOf(b.mac)), findings };
}

/**
 * Cards whose name systemd makes of what they are: `enx005056000001` of their address, `ens192` of the number of their
 * slot (systemd.net-naming-scheme(7)).
 */
function saidByName(name: string, cards: readonly Card[]): string[] {
  const mac = /^enx((?:[0-9a-f]{2}){6})$/.exec(name)?.[1]?.replace(/(..)(?!$)/g, '$1:');
  const slot = /^ens(\d{1,5})$/.exec(name)?.[1];
  const fits = cards.filter((card) => card.mac === mac || (slot !== undefined && card.slot === Number(slot)));
  return fits.map((card) => card.mac);
}

/** In the order in which the kernel finds them on the bus, where that is known of each. */
function inSlotOrder(macs: readonly string[], cards: readonly Card[]): string[] {
  const slots = new Map(cards.flatMap(({ mac, slot }) => (slot === undefined ? [] : [[mac, slot]])));
  if (!macs.every((mac) => slots.has(mac))) return [...macs];
  return [...macs].sort((a, b) => (slots.get(a) ?? 0) - (slots.get(b) ?? 0));
}

interface Pair {
  mac: string;
  name: string;
}

/** Pairs that no other contradicts: members of a bond, for one, all show the bond's address while it runs. */
function clear(pairs: readonly Pair[]): Pair[] {
  const distinct = [...new Map(pairs.map((pair) => [`${pair.mac} ${pair.name}`, pair])).values()];
  const count = (key: keyof Pair) => {
    const counts = new Map<string, number>();
    for (const pair of distinct) counts.set(pair[key], (counts.get(pair[key]) ?? 0) + 1);
    return counts;
  };
  const [macs, names] = [count('mac'), count('name')];
  return distinct.filter(({ mac, name }) => macs.get(mac) === 1 && names.get(name) === 1);
}

function left(names: readonly FoundName[]): Finding[] {
  if (names.length === 0) return [];
  const list = names.slice(0, 20).map(({ name, path }) => `${shown(name)} (${shown(path)})`);
  return [
    {
      id: 'guest.nic-unknown',
      severity: 'warning',
      message: `The guest configures network cards that the machine does not have: ${list.join(', ')}.`,
      remedy: 'See whether they are leftovers; if not, the machine lacks network cards.',
    },
  ];
}
