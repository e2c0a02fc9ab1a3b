import { posix } from 'node:path';
import type { ConfigFiles } from '../config-files.js';
import { expandGlob } from '../glob.js';
import type { FoundNames } from './found-names.js';

/** Debian's /etc/network/interfaces, as interfaces(5) has it, with the options of ifupdown2, bridge-utils and ifenslave. */

/** Against files that include one another without end. */
const MAX_SOURCES = 500;

export async function readIfupdown(files: ConfigFiles, found: FoundNames): Promise<void> {
  const seen = new Set<string>();
  const waiting = ['/etc/network/interfaces'];
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (seen.has(path)) continue;
    if (seen.size >= MAX_SOURCES) {
      files.skip(path, `more than ${MAX_SOURCES} files are included`);
      return;
    }
    seen.add(path);
    const text = await files.read(path);
    if (text !== null) waiting.push(...(await readFile(files, found, path, text)));
  }
}

/** Returns the files that it includes. */
async function readFile(files: ConfigFiles, found: FoundNames, path: string, text: string): Promise<string[]> {
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
      words.filter(isName).forEach((name) => found.use(name, path));
    } else if (keyword === 'iface') {
      stanza = isName(words[0] ?? '') ? (words[0] ?? '') : '';
      found.use(stanza, path);
      if (['loopback', 'ppp', 'wvdial', 'tunnel', '6to4', 'v4tunnel', 'can'].includes(words[2] ?? '')) {
        found.virtual(stanza);
      }
    } else if (keyword === 'mapping') {
      stanza = '';
    } else {
      readOption(found, path, stanza, keyword.replaceAll('_', '-'), words);
    }
  }
  return sources;
}

const PORTS = ['bridge-ports', 'bond-slaves', 'slaves', 'ovs-bonds', 'ovs-ports'];
const MADE = ['bridge-ports', 'bond-slaves', 'bond-mode', 'slaves', 'ovs-bonds', 'vlan-raw-device', 'vxlan-id'];

function readOption(found: FoundNames, path: string, stanza: string, option: string, words: string[]): void {
  if (stanza === '') return;
  if (MADE.includes(option)) found.virtual(stanza);
  if (option.startsWith('wpa-') || option.startsWith('wireless-')) found.virtual(stanza);
  if (option === 'ovs-type' && words[0] !== 'OVSPort') found.virtual(stanza);
  if (option === 'vlan-raw-device' || option === 'bond-primary') found.use(words[0] ?? '', path);
  if (!PORTS.includes(option)) return;
  for (const word of words) {
    // bridge-utils-interfaces(5), ifupdown2: what follows these is a pattern.
    if (word === 'regex' || word === 'glob') break;
    if (word !== 'none' && word !== 'all' && isName(word)) found.use(word, path);
  }
}

/** `/eth*` and `enp?s0` are patterns, and `eth0/1` is a pattern's match; `eth0=home` gives a stanza of another name. */
function isName(word: string): boolean {
  return !word.startsWith('/') && !/[*?[\]=]/.test(word);
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
