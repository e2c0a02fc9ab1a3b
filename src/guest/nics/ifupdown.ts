import { posix } from 'node:path';
import type { ConfigFiles } from '../config-files.js';
import { expandGlob, isGlob, matchesGlob } from '../glob.js';
import type { FoundNames } from './found-names.js';
import { madeBy } from './made-by.js';

/**
 * Debian's /etc/network/interfaces, as interfaces(5) has it, with the options of ifupdown2, ifupdown-ng, bridge-utils and
 * ifenslave. `auto` and `allow-…` name cards; `iface` names a stanza, which is a card's only where no mapping gives it to
 * one and no other stanza inherits it.
 */

/** Against files that include one another without end. */
const MAX_SOURCES = 500;
/** Against very many stanzas, each held against very many patterns; the names of cards have a bound of their own. */
const MAX_STANZAS = 10_000;
const MAX_PATTERNS = 50;
const MAX_PATTERN_CHARS = 64;

interface Stanza {
  path: string;
  /** Whether it gives an address. */
  fixed: boolean;
  /** What it stands on: ports of a bridge or bond, a VLAN's card. */
  below: string[];
}

interface Interfaces {
  /** What is brought up by itself, and the stanza that it gets: that of its own name, or of another. */
  started: { word: string; stanza: string; path: string }[];
  stanzas: Map<string, Stanza>;
  /** Stanzas that others inherit, or that a mapping chooses from. */
  templates: Set<string>;
  /** Whether a script or wpa_supplicant chooses the stanza by what it finds. */
  mapped: boolean;
}

export async function readIfupdown(files: ConfigFiles, found: FoundNames): Promise<void> {
  const seen = new Set<string>();
  const waiting = ['/etc/network/interfaces'];
  const all: Interfaces = { started: [], stanzas: new Map(), templates: new Set(), mapped: false };
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (seen.has(path)) continue;
    if (seen.size >= MAX_SOURCES) {
      files.skip(path, `more than ${MAX_SOURCES} files are included`);
      break;
    }
    seen.add(path);
    const text = await files.read(path);
    if (text !== null) waiting.push(...(await readFile(files, found, path, text, all)));
  }
  if (all.started.length + all.stanzas.size > 0) useAll(found, all, await isInstalled(files));
}

/** Returns the files that it includes. */
async function readFile(
  files: ConfigFiles,
  found: FoundNames,
  path: string,
  text: string,
  all: Interfaces,
): Promise<string[]> {
  const sources: string[] = [];
  let stanza = '';
  for (const [keyword = '', ...words] of logicalLines(text)) {
    const inside = (pattern: string) => posix.resolve(posix.dirname(path), pattern);
    if (keyword === 'source') {
      for (const word of words) sources.push(...(await expandGlob(files, inside(word))));
    } else if (keyword === 'source-directory') {
      for (const word of words) {
        for (const dir of await expandGlob(files, inside(word))) {
          // interfaces(5): only names of letters, digits, `_` and `-`.
          const names = (await files.list(dir)).filter((name) => /^[\w-]+$/.test(name));
          sources.push(...names.map((name) => posix.join(dir, name)));
        }
      }
    } else if (keyword === 'auto' || keyword.startsWith('allow-')) {
      all.started.push(...words.map((word) => ({ ...parted(word), path })));
    } else if (keyword === 'iface') {
      stanza = readStanza(found, path, words, all);
    } else if (keyword === 'rename') {
      // `mac/00:11:22:33:44:55=lan` is done before anything is brought up.
      for (const { word, stanza: name } of words.map(parted)) {
        if (word.startsWith('mac/')) found.use(name, path, { mac: word.slice('mac/'.length), started: false });
      }
    } else if (keyword === 'mapping' || keyword === 'template') {
      // The template of ifupdown-ng is an `iface` that is never a card's.
      stanza = '';
      all.mapped ||= keyword === 'mapping';
    } else if (keyword === 'map') {
      words.forEach((word) => all.templates.add(word));
    } else {
      readOption(found, stanza, keyword.replaceAll('_', '-'), words, all);
    }
  }
  return sources;
}

/** `eth0=home` is the card `eth0` with the stanza `home`. */
function parted(word: string): { word: string; stanza: string } {
  const at = word.indexOf('=');
  return at < 0 ? { word, stanza: word } : { word: word.slice(0, at), stanza: word.slice(at + 1) };
}

function readStanza(found: FoundNames, path: string, words: string[], all: Interfaces): string {
  const name = words[0] ?? '';
  const inherits = words.indexOf('inherits');
  if (inherits > 0) words.slice(inherits + 1, inherits + 2).forEach((word) => all.templates.add(word));
  const stanza = all.stanzas.get(name) ?? { path, fixed: false, below: [] };
  stanza.fixed ||= words.includes('static');
  all.stanzas.set(name, stanza);
  if (['loopback', 'ppp', 'wvdial', 'tunnel', '6to4', 'v4tunnel', 'can'].includes(words[2] ?? '')) found.virtual(name);
  return name;
}

const PORTS = ['bridge-ports', 'bond-slaves', 'bond-members', 'slaves', 'ovs-bonds', 'ovs-ports'];
const BELOW = ['vlan-raw-device', 'bond-primary', 'macvlan-parent'];
const MADE = [...PORTS.filter((each) => each !== 'ovs-ports'), 'bond-mode', 'vlan-raw-device', 'vlan-id', 'vxlan-id'];
const MADE_TOO = ['vrf-table', 'tunnel-mode', 'macvlan-parent', 'veth-peer-name'];
/** ifupdown-ng: `use` names what a stanza is made by; what else there is for it does not make it. */
const MAKERS = /^(bond|bridge|vlan|vxlan|vrf|tunnel|gre|tun|ppp|veth|wifi|wireguard|macvlan|batman|dummy)$/;

function readOption(found: FoundNames, name: string, option: string, words: string[], all: Interfaces): void {
  const stanza = all.stanzas.get(name);
  if (!stanza) return;
  const first = words[0] ?? '';
  if (option === 'address') stanza.fixed = true;
  if (option === 'inherit' || option === 'inherits') words.forEach((word) => all.templates.add(word));
  if (option === 'wpa-roam') all.mapped = true;
  if (option === 'bond-master') {
    found.virtual(first);
    stanza.fixed = true;
  }
  const made =
    MADE.includes(option) ||
    MADE_TOO.includes(option) ||
    /^(wpa|wireless|wireguard|wifi)-/.test(option) ||
    (option === 'use' && MAKERS.test(first)) ||
    (option === 'ovs-type' && first !== 'OVSPort');
  if (made) found.virtual(name);
  if (BELOW.includes(option)) stanza.below.push(first);
  if (['pre-up', 'up', 'post-up'].includes(option)) {
    for (const { name: what, on } of madeBy(words, name)) {
      found.virtual(what);
      stanza.below.push(on);
    }
  }
  if (!PORTS.includes(option)) return;
  for (const word of words) {
    // bridge-utils-interfaces(5), ifupdown2: what follows these is a pattern.
    if (word === 'regex' || word === 'glob') break;
    if (word !== 'none' && word !== 'all') stanza.below.push(word);
  }
}

/** `installed`: without the programs, the file is what another network system left behind. */
function useAll(found: FoundNames, { started, stanzas, templates, mapped }: Interfaces, installed: boolean): void {
  const up = new Set(started.map(({ stanza }) => stanza));
  const words = new Set(started.map(({ word }) => word));
  const short = [...words].filter((word) => isPattern(word) && word.length <= MAX_PATTERN_CHARS);
  const patterns = short.slice(0, MAX_PATTERNS);
  found.fitsAny ||= installed && patterns.some((each) => ['eth0', 'ens3'].some((name) => fitsPattern(each, name)));
  const isStarted = (name: string) => installed && (up.has(name) || patterns.some((each) => fitsPattern(each, name)));
  for (const { word, stanza, path } of started) {
    if (isName(word)) found.use(word, path, { started: installed, fixed: stanzas.get(stanza)?.fixed ?? false });
    else if (word.startsWith('mac/')) found.address(word.slice('mac/'.length), path);
    else if (stanzas.has(stanza) && namePattern(word) !== null) {
      const use = { started: installed, fixed: stanzas.get(stanza)?.fixed ?? false };
      found.find({ words: [namePattern(word) ?? ''], macs: [], hardware: [] }, path, use);
    }
  }
  const logical = new Set(started.filter(({ word, stanza }) => word !== stanza).map(({ stanza }) => stanza));
  for (const [name, { path, fixed, below }] of [...stanzas].slice(0, MAX_STANZAS)) {
    const bare = !words.has(name);
    const isCard = isName(name) && !(bare && (mapped || templates.has(name) || logical.has(name)));
    if (isCard && bare) found.use(name, path, { started: isStarted(name), fixed });
    for (const each of below) if (isName(each)) found.use(each, path, { started: isStarted(name), fixed: true });
  }
}

/** interfaces(5): `/eth*` matches names and `mac/00:11:22:*` addresses; ifupdown2 has patterns without the slash, too. */
function isPattern(word: string): boolean {
  return word.includes('/') || isGlob(word);
}

function isName(word: string): boolean {
  return !isPattern(word) && !word.includes(']');
}

function fitsPattern(word: string, name: string): boolean {
  const pattern = namePattern(word);
  return pattern !== null && matchesGlob(pattern, name);
}

/** Null where it is not the name that has to fit. A second slash sets off the number of a match. */
function namePattern(word: string): string | null {
  const [kind, pattern = ''] = word.includes('/') ? word.split('/') : ['', word];
  return kind === '' ? pattern : null;
}

/** Whether there is a service that reads the file; where no services are seen at all, there may be. */
async function isInstalled(files: ConfigFiles): Promise<boolean> {
  const dirs = ['/etc/init.d', '/lib/systemd/system', '/usr/lib/systemd/system'];
  const names = (await Promise.all(dirs.map((dir) => files.list(dir)))).flat();
  return names.length === 0 || names.some((name) => /^networking(\.service)?$/.test(name));
}

/** Words of each line; a `\` at its end joins the next one, and a line that begins with `#` is a comment. */
function* logicalLines(text: string): Generator<string[]> {
  let held: string[] = [];
  for (const line of text.split('\n')) {
    const bare = line.trim();
    if (held.length === 0 && bare.startsWith('#')) continue;
    const more = line.endsWith('\\');
    held.push(more ? line.slice(0, -1) : line);
    if (more) continue;
    const joined = held.join('').trim();
    held = [];
    if (joined !== '') yield joined.split(/\s+/);
  }
}
