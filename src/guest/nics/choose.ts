import type { Finding } from '../../model/finding.js';
import { shown } from '../config-files.js';
import { STARTED, type FoundName, type FoundPattern } from './found-names.js';
import { byNumber, isKernelName } from './names.js';

/**
 * Which of the configured names are in use, where a machine has fewer cards than there are names. A wrong guess gives a
 * guest the address of a leftover, which another machine may have by now; so where it is not clear, none is chosen.
 */

export interface Cards {
  /** How many have no name yet. */
  cards: number;
  /** Those of them that the configuration does not find by their address alone. */
  likely: number;
  /** How many the machine has. */
  all: number;
  /** Whether they have the kernel's names unless something says otherwise. */
  kernelNames: boolean;
}

export interface Chosen {
  names: FoundName[];
  /** What sets them apart from the rest: that there is none, that they are in use, or only the kernel's numbers. */
  why: 'all' | 'in use' | 'number';
}

/** Null where nothing tells which of the names are meant. */
export function choose(names: readonly FoundName[], { cards, likely, all, kernelNames }: Cards): Chosen | null {
  // Without a rule, the kernel's own names are those of the first numbers, whatever the configuration is for.
  const natural = (name: string) => kernelNames && isKernelName(name) && Number(name.slice('eth'.length)) < all;
  const sorted = [...names].sort(
    (a, b) => rank(b) - rank(a) || Number(natural(b.name)) - Number(natural(a.name)) || byNumber(a.name, b.name),
  );
  const started = sorted.filter((each) => rank(each) >= STARTED);
  const idle = sorted.filter((each) => rank(each) < STARTED);
  const groups = [
    { group: started, most: cards },
    { group: idle, most: Math.max(0, likely - started.length) },
  ];
  const picked = groups.flatMap(({ group, most }) => group.slice(0, most));
  let why: Chosen['why'] = picked.length === names.length ? 'all' : 'in use';
  for (const { group, most } of groups) {
    const [last, next] = [group[most - 1], group[most]];
    if (!last || !next || rank(last) !== rank(next)) continue;
    if (natural(last.name) === natural(next.name)) return null;
    why = 'number';
  }
  const isAgainst = picked.some(({ name }) => isKernelName(name) && !natural(name));
  const leaves = names.some((each) => natural(each.name) && !picked.includes(each));
  return kernelNames && isAgainst && leaves ? null : { names: picked, why };
}

/** A name whose own address is on no card any more is the less likely one. */
function rank(name: FoundName): number {
  return name.macs.size > 0 ? name.rank - 2 * STARTED : name.rank;
}

/** `patterns`: those for which no card would be left. */
export function unclear(names: readonly FoundName[], patterns: readonly FoundPattern[]): Finding {
  const all = [...names, ...patterns.map(({ words, path }) => ({ name: words.join(' '), path }))];
  const list = all.slice(0, 20).map(({ name, path }) => `${shown(name)} (${shown(path)})`);
  return {
    id: 'guest.nic-unclear',
    severity: 'warning',
    message: `The guest configures more network cards than it has, and nothing tells which are meant: ${list.join(', ')}. None of them is held.`,
    remedy: "Remove what is left over in the guest, or let its agent run, which reports the cards' names.",
  };
}
