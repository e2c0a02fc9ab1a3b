import type { ConfigFiles } from '../config-files.js';
import { shellValues } from '../shell-assignments.js';
import type { FoundNames } from './found-names.js';

/** Gentoo's /etc/conf.d/net: the manual of netifrc (net.example), where a variable's name ends with that of a card. */

const PATH = '/etc/conf.d/net';
const MADE = /^(slaves|bridge|tuntap|iptunnel|macvlan|essid|mode|link_6to4|plugins)_(.+)$/;

export async function readNetifrc(files: ConfigFiles, found: FoundNames): Promise<void> {
  const text = await files.read(PATH);
  if (text === null) return;
  const levels = ['/etc/runlevels/boot', '/etc/runlevels/default'];
  const services = (await Promise.all(levels.map((dir) => files.list(dir)))).flat();
  const isStarted = (name: string) => services.length === 0 || services.includes(`net.${name}`);
  for (const [key, value] of shellValues(text)) {
    const made = MADE.exec(key);
    if (made) {
      const name = nameOf(made[2] ?? '');
      found.virtual(name);
      const below = /^(slaves|bridge)$/.test(made[1] ?? '') ? value.split(/\s+/) : [];
      below.forEach((each) => found.use(each, PATH, { started: isStarted(name), fixed: true }));
    }
    const name = nameOf(/^(?:config|vlans)_(.+)$/.exec(key)?.[1] ?? '');
    const fixed = !/^(|null|noop|dhcp(v6|cd)?|apipa)$/.test(value.trim());
    found.use(name, PATH, { started: isStarted(name), fixed });
  }
}

/** What a variable's name cannot hold is `_` in it: `eth0_5` is the VLAN `eth0.5`. */
function nameOf(written: string): string {
  return written.replace(/_(\d+)$/, '.$1');
}
