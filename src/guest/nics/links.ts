import type { ConfigFiles } from '../config-files.js';
import { matchesGlob } from '../glob.js';
import { listValue, settingsOf } from '../sections.js';
import { ethernetAddress } from './names.js';

/** .link files, of which the first that matches a card counts, whole: systemd.link(5). */

const DIR = '/etc/systemd/network';
const VENDOR_DIRS = ['/lib/systemd/network', '/usr/lib/systemd/network'];

export interface LinkFile {
  path: string;
  /** What they are sorted by. */
  name: string;
  text: string;
  /** The name it gives to the one card whose address it has; null where it does something else. */
  pin: { mac: string; name: string; start: number; end: number } | null;
  /** The name that it gives to a card that it finds without an address. */
  gives: string | null;
  /** What it asks of the card beside its address that may be otherwise at the target, in words. */
  asks: string[];
  /** Place on the PCI bus that it asks for. */
  place: string | null;
  /** Whether it could be for a given Ethernet card; by the address where it has one, else by what can be told. */
  mayMatch(mac: string): boolean;
}

/** In the order in which systemd tries them; a file in /etc hides one of the same name elsewhere. */
export async function readLinks(files: ConfigFiles): Promise<LinkFile[]> {
  const byName = new Map<string, LinkFile>();
  for (const dir of [...VENDOR_DIRS, DIR]) {
    for (const { path, name, text } of await files.all(dir, (each) => each.endsWith('.link'))) {
      byName.set(name, linkFile(path, name, text));
    }
  }
  const masks = (await files.list(DIR)).filter((name) => byName.has(name) && !byName.get(name)?.path.startsWith(DIR));
  masks.forEach((name) => byName.delete(name));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function linkFile(path: string, name: string, text: string): LinkFile {
  const settings = settingsOf(text, true);
  const match = (...keys: string[]) => listValue(settings, 'Match', ...keys);
  const given = match('MACAddress', 'PermanentMACAddress');
  const macs = given.map(ethernetAddress);
  const rename = settings.findLast((each) => each.section === 'Link' && each.key === 'Name');
  const policy = settings.some((each) => each.section === 'Link' && each.key === 'NamePolicy');
  const fits = (patterns: string[], ...values: string[]) =>
    patterns.length === 0 ||
    patterns.some((each) => each.startsWith('!') || values.some((one) => matchesGlob(each, one)));
  const only = macs.length === 1 ? macs[0] : null;
  const { value = '', start = 0, end = 0 } = rename ?? {};
  return {
    path,
    name,
    text,
    // With a policy, Name= counts only where the policy gives no name.
    pin: only && value && !policy ? { mac: only, name: value, start, end } : null,
    gives: given.length === 0 && value && !policy && fits(match('Type'), 'ether') ? value : null,
    asks: asksOf(match),
    place: /^pci-([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/.exec(match('Path')[0] ?? '')?.[1] ?? null,
    mayMatch: (mac) => {
      if (settings.length === 0) return false;
      if (given.length > 0) return macs.includes(mac);
      return fits(match('Type'), 'ether') && fits(match('Kind')) && fits(match('OriginalName'), 'eth0', 'eth9');
    },
  };
}

/** Two values each that any card may have at the target: what fits both fits whatever it has. */
const SAMPLES = [
  { key: 'Driver', samples: ['virtio_net', 'e1000e'], what: 'driver' },
  { key: 'Path', samples: ['pci-0000:00:03.0', 'pci-0000:01:00.0'], what: 'place on the bus' },
  { key: 'OriginalName', samples: ['eth0', 'eth9'], what: 'kernel name' },
];

function asksOf(match: (key: string) => string[]): string[] {
  const fits = (patterns: string[], value: string) => patterns.some((each) => matchesGlob(each, value));
  const asks = SAMPLES.filter(({ key, samples }) => {
    const patterns = match(key);
    return patterns.length > 0 && !samples.every((each) => fits(patterns, each));
  });
  const around = ['Property', 'Virtualization', 'Firmware', 'Credential'].some((key) => match(key).length > 0);
  return [...asks.map(({ what }) => what), ...(around ? ['surroundings'] : [])];
}
