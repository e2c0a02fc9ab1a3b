import type { ConfigFiles } from '../config-files.js';
import { lastValue, settingsOf, type Setting } from '../sections.js';
import type { FoundNames } from './found-names.js';

/** NetworkManager's key files: nm-settings-keyfile(5) and nm-settings(5), with the older names of sections and keys. */

export const KEY_FILE_DIR = '/etc/NetworkManager/system-connections';
const DIRS = ['/usr/lib/NetworkManager/system-connections', KEY_FILE_DIR];
/** Of which a connection is made on another card. */
const PARENTS = ['vlan', 'macvlan', 'macsec', 'vxlan', 'ip-tunnel', 'pppoe'];
const ETHERNET = new Set(['ethernet', '802-3-ethernet']);

export async function readNetworkManager(files: ConfigFiles, found: FoundNames): Promise<void> {
  for (const dir of DIRS) {
    for (const { path, text } of await files.all(dir, isKeyFile)) readOne(found, path, settingsOf(text, false));
  }
}

export function isKeyFile(name: string): boolean {
  return !/^\.|~$|\.(bak|old|orig|rpmnew|rpmsave|swp|tmp|dpkg-\w+)$/.test(name);
}

function readOne(found: FoundNames, path: string, settings: Setting[]): void {
  const get = (section: string, key: string) => unescape(lastValue(settings, section, key) ?? '');
  const either = (sections: string[], key: string) => sections.map((each) => get(each, key)).find(Boolean) ?? '';
  const type = get('connection', 'type') || (settings.some((each) => ETHERNET.has(each.section)) ? 'ethernet' : '');
  const name = get('connection', 'interface-name');
  const mac = byteList(either(['ethernet', '802-3-ethernet'], 'mac-address'));

  // What it is a port of, unless that is a UUID.
  const masters = ['master', 'controller'].map((key) => get('connection', key));
  masters.forEach((each) => found.virtual(each));
  if (type === '') return;
  const port = masters.some((each) => each !== '');
  const manual = ['ipv4', 'ipv6'].some((section) => get(section, 'method') === 'manual');
  // What is a port of something may be started by that.
  const use = {
    started: port || !/^(false|no|0)$/i.test(get('connection', 'autoconnect')),
    fixed: port || manual,
  };
  if (ETHERNET.has(type)) {
    const hardware = ['driver', 'path'].filter((property) => get('match', property) !== '');
    const words = name === '' ? matchedNames(get('match', 'interface-name')) : [name];
    found.find({ words, macs: mac === '' ? [] : [mac], hardware }, path, { ...use, sure: true });
    return;
  }
  const parents = PARENTS.map((section) => get(section, 'parent')).filter((each) => each !== '');
  // A connection of PPPoE has the name of its card where it has no parent.
  if (type === 'pppoe' && parents.length === 0) found.use(name, path, { ...use, fixed: true });
  else found.virtual(name);
  for (const section of ['bond', 'bridge', 'vlan', 'team']) found.virtual(get(section, 'interface-name'));
  if (type === 'vlan' && parents.length === 0) parents.push(mac);
  for (const parent of parents) found.below(parent, path, use);
  found.use(get('bond', 'primary'), path, { ...use, fixed: true });
}

/** Section [match]: names and patterns, of which `!` leaves out and `&` and `|` say how they go together. */
function matchedNames(list: string): string[] {
  const names = list.split(/[;,\s]+/).filter((each) => each !== '' && !each.startsWith('!'));
  return names.map((each) => each.replace(/^[|&]/, ''));
}

/** Key files of NetworkManager before 0.9.10 wrote an address as decimal bytes: `0;12;41;1;2;3;`. */
export function byteList(text: string): string {
  if (!/^(\d{1,3};){5}\d{1,3};?$/.test(text)) return text;
  const bytes = text.split(';').filter(Boolean).map(Number);
  return bytes.every((byte) => byte < 256) ? bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':') : '';
}

/** GLib's escapes in key files. */
function unescape(text: string): string {
  const plain = /^"(.*)"$/.exec(text)?.[1] ?? text;
  return plain.replace(/\\([snrt\\])/g, (_, what: string) => ({ s: ' ', n: '\n', r: '\r', t: '\t' })[what] ?? '\\');
}
