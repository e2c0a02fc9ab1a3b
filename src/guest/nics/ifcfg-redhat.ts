import type { ConfigFiles } from '../config-files.js';
import { shellValues } from '../shell-assignments.js';
import type { FoundNames } from './found-names.js';
import { isKernelName } from './names.js';

/**
 * /etc/sysconfig/network-scripts/ifcfg-* of Red Hat's family: initscripts' sysconfig.txt, and nm-settings-ifcfg-rh(5).
 * HWADDR is the card's own address; MACADDR is one that it is given, and says nothing of which card it is.
 */

export const IFCFG_DIR = '/etc/sysconfig/network-scripts';

/** What the scripts leave out (initscripts, network-functions: `__sed_discard_ignored_files`), and what editors leave. */
const BACKUP = /(~|\.(bak|old|orig|rpmnew|rpmorig|rpmsave|swp|tmp|augnew|augsave|cfgsaved))$/;

const VIRTUAL_TYPES = new Set(
  'bond bridge vlan team wireless infiniband ipip gre sit tunnel wireguard dummy ovsbridge ovsintport ovsbond ovstunnel ovspatchport macvlan loopback'.split(
    ' ',
  ),
);

export async function readRedHatIfcfg(files: ConfigFiles, found: FoundNames): Promise<void> {
  for (const { path, name, text } of await files.all(IFCFG_DIR, isIfcfg))
    readOne(found, path, name.slice('ifcfg-'.length), shellValues(text));
}

export function isIfcfg(name: string): boolean {
  return name.startsWith('ifcfg-') && name !== 'ifcfg-lo' && !BACKUP.test(name);
}

function readOne(found: FoundNames, path: string, suffix: string, values: Map<string, string>): void {
  const get = (key: string) => (values.get(key) ?? '').trim();
  const yes = (key: string) => /^(yes|true|1|y|t)$/i.test(get(key));
  const mac = get('HWADDR');
  const device = get('DEVICE') || nameOf(suffix, mac);
  const type = (get('TYPE') || get('DEVICETYPE')).toLowerCase();
  const made =
    VIRTUAL_TYPES.has(type) ||
    yes('VLAN') ||
    yes('BONDING_MASTER') ||
    values.has('BONDING_OPTS') ||
    values.has('TEAM_CONFIG') ||
    values.has('ESSID');
  if (made) found.virtual(device);
  const masters = ['MASTER', 'BRIDGE', 'TEAM_MASTER', 'OVS_BRIDGE'].map(get);
  masters.forEach((name) => found.virtual(name));
  const addressed = [...values].some(([key, value]) => /^(IPADDR\d*|IPV6ADDR)$/.test(key) && value.trim() !== '');
  const use = {
    started: !/^(no|false|0|n|f)$/i.test(get('ONBOOT')),
    fixed: addressed || masters.some((name) => name !== ''),
  };
  // `eth0.100` stands on `eth0` also where it is declared; `use` sees to that.
  if (!made || (type === 'vlan' || yes('VLAN') ? device.includes('.') : false)) {
    found.use(device, path, { mac: device.includes('.') ? null : mac, sure: !made && type === 'ethernet', ...use });
  }
  if (device === '') found.address(mac, path);
  found.below(get('PHYSDEV'), path, use);
}

/** Without DEVICE a file binds to no name; but one named after a card was meant for it, and pinning that does no harm. */
function nameOf(suffix: string, mac: string): string {
  const alias = suffix.replace(/-range\d+$/, '');
  if (alias.includes(':') || alias !== suffix) return alias;
  return mac === '' && (isKernelName(suffix) || /^e(n[ospx]|m\d|no)/.test(suffix)) ? suffix : '';
}
