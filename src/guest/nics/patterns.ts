import type { Finding } from '../../model/finding.js';
import { shown } from '../config-files.js';
import { exampleOf, isGlob, matchesGlob } from '../glob.js';
import type { Card, Known, PinnedNic } from './assign.js';
import { rankOf, STARTED, type FoundName, type FoundPattern } from './found-names.js';
import { ethernetAddress, isInterfaceName, isPinnable, looksVirtual, physicalBase } from './names.js';

/**
 * Configurations that find cards by patterns of names. `en*` fits at every target; `ens*` does not fit a card that is
 * called `enp1s0` there, and is as good as a name.
 */

/** What cards are called on the buses of virtual machines (systemd.net-naming-scheme(7)). */
const ANYWHERE = ['ens3', 'enp1s0'];
/** Neither the kernel nor systemd makes such a name, so that no other card gets it. */
const FILLERS = ['v0', 'v1', 'v2', 'v3', ''];

export function fitsAnywhere(words: readonly string[]): boolean {
  return ANYWHERE.every((name) => fits(words, name));
}

/** Whether a pattern could fit a name that the kernel or systemd gives to a network card, rather than to anything else. */
export function isForCards(word: string): boolean {
  return isGlob(word) && /^(e|p[\d[?]|[*?[])/.test(word);
}

function fits(words: readonly string[], name: string): boolean {
  return words.some((each) => matchesGlob(each, name));
}

/** Whether it fits a card whose name nothing holds. */
function fitsUnheld({ words }: FoundPattern, kernelNames: boolean): boolean {
  return kernelNames ? fits(words, 'eth0') : fitsAnywhere(words);
}

/**
 * Patterns that would lose their card if all get these names: of those that fit at the target without our doing, the ones
 * that are as likely in use as the names, and of the others the likelier ones. Where cards have the kernel's names, others
 * fitted nothing at the source.
 */
export function robbedBy(
  names: readonly FoundName[],
  pinned: readonly PinnedNic[],
  { patterns, kernelNames }: Known,
): FoundPattern[] {
  if (names.length === 0) return [];
  const best = Math.max(...names.map(({ rank }) => rank));
  return patterns.filter((pattern) => {
    const { words, rank, macs } = pattern;
    if (macs.length > 0 || [...names, ...pinned].some(({ name }) => fits(words, name))) return false;
    return fitsUnheld(pattern, kernelNames) ? rank >= best : !kernelNames && rank > best;
  });
}

/**
 * Names for the cards that only a pattern finds, which nothing else named. `guess`: also where it is only likely which
 * card is meant.
 */
export function nameByPatterns(
  cards: readonly Card[],
  named: readonly PinnedNic[],
  known: Known,
  guess: boolean,
): { pinned: PinnedNic[]; findings: Finding[] } {
  const pinned: PinnedNic[] = [];
  const findings: Finding[] = [];
  const narrow = known.patterns.filter((each) => each.rank >= STARTED && !fitsUnheld(each, false));
  if (known.kernelNames || narrow.length === 0) return { pinned, findings };
  const wide = known.patterns.filter((each) => fitsUnheld(each, false) && each.macs.length === 0);
  const names = () => [...named, ...pinned].map(({ name }) => name);
  const free = () => cards.filter(({ mac }) => ![...named, ...pinned].some((each) => each.mac === mac));
  const isGood = (name: string) =>
    isPinnable(name) && !names().includes(name) && wide.every(({ words }) => fits(words, name));
  const open = ({ words }: FoundPattern) => !names().some((name) => fits(words, name));

  // What a card is known to be called holds, or shows that no pattern is for it.
  const other = new Set<string>();
  for (const card of free()) {
    const own = namesOf(card, known);
    const fitting = own.filter(({ name }) => isGood(name) && narrow.some((each) => isFor(each, card, name)));
    const [only] = fitting;
    if (only && fitting.length === 1) pinned.push({ mac: card.mac, ...only });
    else if (own.some(({ evidence }) => evidence !== 'name')) other.add(card.mac);
  }
  const make = (wanted: readonly FoundPattern[]) => {
    const made = wanted.flatMap(({ words }) => words.flatMap((word) => examples(word, cards.length)));
    return made.find((name) => name !== null && isGood(name) && wanted.every(({ words }) => fits(words, name))) ?? null;
  };
  const hold = (mac: string, wanted: readonly FoundPattern[], evidence: PinnedNic['evidence']) => {
    const name = make(wanted);
    if (name === null) return;
    pinned.push({ mac, name, evidence });
    findings.push(...wanted.map((each) => madeToFit(each, mac, name)));
  };
  for (const each of narrow.filter(({ macs }) => macs.length > 0)) {
    for (const { mac } of free().filter((card) => each.macs.includes(card.mac))) hold(mac, [each], 'config-mac');
  }

  const anyCard = narrow.filter(({ macs }) => macs.length === 0);
  // Where another pattern fits in any case, one that only asks for an address is not missed.
  const missed = anyCard.filter((each) => wide.length === 0 || each.rank >= FIXED);
  const unnamed = () => free().filter(({ mac }) => !known.nameless.has(mac) && !other.has(mac));
  const wanted = missed.filter(open).sort((a, b) => b.rank - a.rank);
  const [only] = unnamed();
  if (guess && only && unnamed().length === 1 && wanted.length > 0) {
    hold(only.mac, wanted, 'pattern');
    const [first, second] = wanted;
    if (pinned.at(-1)?.mac !== only.mac && first && first.rank > (second?.rank ?? -1))
      hold(only.mac, [first], 'pattern');
  }
  const left = unnamed().length > 0;
  const unheld = missed.filter((each) => (open(each) ? left || each.rank >= FIXED : left && wide.length === 0));
  findings.push(...unheld.slice(0, 20).map(mayNotFit));
  return { pinned, findings };
}

const FIXED = rankOf({ started: true, fixed: true });

/** Where a pattern fits the name that the kernel gives to the one card that there is, it is that. */
function examples(word: string, cards: number): (string | null)[] {
  const made = FILLERS.map((each) => exampleOf(word, each));
  return cards === 1 && matchesGlob(word, 'eth0') ? ['eth0', ...made] : made;
}

function isFor({ words, macs }: FoundPattern, { mac }: Card, name: string): boolean {
  return fits(words, name) && (macs.length === 0 || macs.includes(mac));
}

/** What a card is called, by its agent, or else by rules. */
export function toldNames({ mac }: Card, { seen, rules }: Known): Pick<PinnedNic, 'name' | 'evidence'>[] {
  const isOwn = (each: { name: string; mac: string }) =>
    ethernetAddress(each.mac) === mac &&
    isInterfaceName(each.name) &&
    physicalBase(each.name) === each.name &&
    !looksVirtual(each.name);
  const told = seen.filter(isOwn).map(({ name }) => ({ name, evidence: 'agent' as const }));
  if (told.length > 0) return told;
  const rule = rules.findLast((each) => each.mac === mac);
  return rule ? [{ name: rule.name, evidence: 'udev-rule' }] : [];
}

/** And what VMware's slots let it be called. */
function namesOf(card: Card, known: Known): Pick<PinnedNic, 'name' | 'evidence'>[] {
  const told = toldNames(card, known);
  const bySlot = card.slot === undefined ? [] : [{ name: `ens${card.slot}`, evidence: 'name' as const }];
  return told.length > 0 ? told : bySlot;
}

function madeToFit({ words, path }: FoundPattern, mac: string, name: string): Finding {
  return {
    id: 'guest.nic-pattern',
    severity: 'info',
    message: `${shown(path)} finds a network card by the pattern ${shown(words.join(' '))}, which may not fit at the target; ${mac} is held to ${name}, which fits.`,
    remedy: 'See whether other files, such as those of a firewall, call the card by the name that it had.',
  };
}

function mayNotFit({ words, path }: FoundPattern): Finding {
  return {
    id: 'guest.nic-match',
    severity: 'warning',
    message: `${shown(path)} finds network cards by the pattern ${shown(words.join(' '))}, which may fit none at the target.`,
    remedy: 'Let it name the card by its MAC address instead, before the move.',
  };
}
