import type { ConfigFiles } from '../config-files.js';
import { shellValues } from '../shell-assignments.js';
import type { FoundNames } from './found-names.js';

/** /etc/sysconfig/network/ifcfg-* and ifroute-* of SUSE: ifcfg(5), ifcfg-bonding(5), ifcfg-bridge(5), ifcfg-vlan(5). */

const DIR = '/etc/sysconfig/network';
const BACKUP = /(~|\.(bak|old|orig|rpmnew|rpmorig|rpmsave|scpmbackup|swp|tmp))$/;

export async function readSuseIfcfg(files: ConfigFiles, found: FoundNames): Promise<void> {
  const wanted = (name: string) => /^if(cfg|route)-./.test(name) && !/^if(cfg|route)-lo$/.test(name);
  for (const { path, name, text } of await files.all(DIR, (each) => wanted(each) && !BACKUP.test(each))) {
    const suffix = name.replace(/^if(cfg|route)-/, '');
    if (name.startsWith('ifroute-')) found.use(suffix, path, { started: false });
    else readOne(found, path, suffix, shellValues(text));
  }
  await noteWickedXml(files);
}

function readOne(found: FoundNames, path: string, suffix: string, values: Map<string, string>): void {
  const get = (key: string) => (values.get(key) ?? '').trim();
  const yes = (key: string) => /^(yes|on|true|1)$/i.test(get(key));
  // The older way of SUSE Linux Enterprise 10: the file's name tells how the card is found.
  const byMac = /^eth-id-(.+)$/.exec(suffix)?.[1];
  if (byMac !== undefined) return void found.address(byMac, path);
  if (/^(eth-)?bus-/.test(suffix)) return found.byHardware(path, 'place on the bus');

  const keys = [...values.keys()];
  const ports = keys.filter((key) => /^(BONDING_SLAVE_?|TEAM_PORT_DEVICE_|OVS_BRIDGE_PORT_DEVICE_)\d+$/.test(key));
  const below = [...ports, 'ETHERDEVICE', 'MACVLAN_DEVICE', 'BRIDGE_PORTS'].flatMap((key) => get(key).split(/\s+/));
  const made =
    ['BONDING_MASTER', 'BRIDGE', 'DUMMY', 'WIRELESS', 'OVS_BRIDGE'].some(yes) ||
    ['ETHERDEVICE', 'MACVLAN_DEVICE', 'TUNNEL', 'TEAM_RUNNER', 'WIRELESS_ESSID', 'VLAN_ID'].some((k) => get(k) !== '');
  // ifcfg(5): without STARTMODE it is started by hand.
  const started = !/^(|manual|off)$/i.test(get('STARTMODE'));
  if (made) found.virtual(suffix);
  else found.use(suffix, path, { started, fixed: keys.some((key) => /^IPADDR/.test(key) && get(key) !== '') });
  below.forEach((name) => found.use(name, path, { started, fixed: true }));
}

/** wicked's own format is rare, and written by hand or by cloud tools only. */
async function noteWickedXml(files: ConfigFiles): Promise<void> {
  const names = (await files.list('/etc/wicked/ifconfig')).filter((name) => name.endsWith('.xml'));
  if (names.length === 0) return;
  files.note({
    id: 'guest.nic-wicked-xml',
    severity: 'info',
    message: `The guest has ${names.length} file(s) in wicked's own format in /etc/wicked/ifconfig, which are not looked at.`,
    remedy: 'See by hand whether they name network cards that get other names at the target.',
  });
}
