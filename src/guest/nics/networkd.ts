import { posix } from 'node:path';
import type { ConfigFile, ConfigFiles } from '../config-files.js';
import { matchesGlob } from '../glob.js';
import { lastValue, listValue, settingsOf, type Setting } from '../sections.js';
import type { FoundNames } from './found-names.js';

/** systemd-networkd's own configuration: systemd.network(5), systemd.netdev(5), with drop-ins. */

const DIR = '/etc/systemd/network';
const MADE = ['VLAN', 'MACVLAN', 'MACVTAP', 'IPVLAN', 'VXLAN', 'Bond', 'Bridge', 'VRF', 'Tunnel'];

export async function readNetworkd(files: ConfigFiles, found: FoundNames): Promise<void> {
  for (const file of await files.all(DIR, (name) => /\.(network|netdev)$/.test(name))) {
    // netplan writes to /run only; what is here was written by people or tools.
    const settings = await withDropIns(files, file);
    if (file.name.endsWith('.netdev')) found.virtual(lastValue(settings, 'NetDev', 'Name') ?? '');
    else readNetwork(found, file.path, settings);
  }
}

async function withDropIns(files: ConfigFiles, file: ConfigFile): Promise<Setting[]> {
  const dropIns = await files.all(posix.join(DIR, `${file.name}.d`), (name) => name.endsWith('.conf'));
  return [file, ...dropIns].flatMap(({ text }) => settingsOf(text, true));
}

function readNetwork(found: FoundNames, path: string, settings: Setting[]): void {
  const made = MADE.flatMap((kind) => listValue(settings, 'Network', kind));
  made.forEach((name) => found.virtual(name));
  const link = (key: string) => lastValue(settings, 'Link', key) ?? '';
  const use = {
    started:
      !/^(yes|true|on|1)$/i.test(link('Unmanaged')) && !/^(manual|down|always-down)$/.test(link('ActivationPolicy')),
    fixed:
      made.length > 0 || settings.some(({ section, key }) => key === 'Address' && /^(Network|Address)$/.test(section)),
  };
  const match = (...keys: string[]) => listValue(settings, 'Match', ...keys);
  const names = match('Name', 'OriginalName');
  const types = match('Type', 'Kind');
  const notEthernet = types.length > 0 && !types.some((each) => each.startsWith('!') || matchesGlob(each, 'ether'));
  const wanted = names[0]?.startsWith('!') ? [] : names.filter((each) => !each.startsWith('!'));
  if (notEthernet) return wanted.forEach((each) => found.virtual(each));

  const macs = match('MACAddress', 'PermanentMACAddress');
  const hardware = ['Driver', 'Path'].filter((key) => match(key).length > 0);
  found.find({ words: wanted, macs, hardware }, path, use);
}
