import { shown, type ConfigFiles } from '../config-files.js';
import { ethernetAddress, isInterfaceName, looksVirtual, physicalBase } from './names.js';

/** A network card that the guest's configuration names. */
export interface FoundName {
  name: string;
  /** Addresses that the configuration says this card has. */
  macs: Set<string>;
  /** The file that named it first. */
  path: string;
  /** How likely it is in use, by the best that is said of it anywhere. */
  rank: number;
}

/** What a mention says of a name: what is not started at boot, or has no address of its own, is more often a leftover. */
export interface Use {
  /** Whether the guest starts it at boot. Default: true. */
  started?: boolean;
  /** Whether it has an address of its own, or a part in something made on it, rather than asking for one. Default: false. */
  fixed?: boolean;
}

/** Being started counts for more than an address. */
export function rankOf({ started = true, fixed = false }: Use): number {
  return (started ? STARTED : 0) + (fixed ? 1 : 0);
}

/** What is ranked lower than this is not started. */
export const STARTED = 2;

/** More cards than any machine has. */
const MAX_NAMES = 500;

/** What the readers of the several network systems find. */
export class FoundNames {
  /** Names that the network system itself gives to the card with this address at each start, so that no pin is needed. */
  readonly selfPinned = new Map<string, string>();
  /** Addresses of cards that the configuration names, and where. */
  readonly addresses = new Map<string, string>();
  /** Those by which alone it finds a card, whatever its name. */
  readonly nameless = new Set<string>();
  /** Names that a configuration is for without an address. */
  readonly plain = new Set<string>();
  /** Whether some configuration is for whatever card there is. */
  fitsAny = false;
  private readonly names = new Map<string, FoundName & { sure: boolean }>();
  private readonly made = new Set<string>();
  private readonly strange = new Set<string>();

  constructor(private readonly files: ConfigFiles) {}

  /**
   * A name that stands for a card, or for something on one (`eth0.100`, `eth0:1`).
   * `sure`: the configuration says that it is a card, whatever its name looks like.
   */
  use(given: string, path: string, more: Use & { mac?: string | null; sure?: boolean } = {}): void {
    if (given === '' || given === 'lo') return;
    const name = physicalBase(given);
    if (name !== given && !given.includes(':')) this.made.add(given);
    if (!isInterfaceName(name)) return this.refuse(given, path);
    const known = this.names.get(name);
    if (!known && this.names.size >= MAX_NAMES) {
      this.files.skip(path, `the guest names more than ${MAX_NAMES} network cards`);
      return;
    }
    const found = known ?? { name, macs: new Set<string>(), path, sure: false, rank: 0 };
    found.sure ||= more.sure ?? false;
    found.rank = Math.max(found.rank, rankOf(more));
    const mac = this.record(more.mac ?? '', path);
    if (mac) found.macs.add(mac);
    else if (given === name && (more.sure === true || more.mac !== undefined)) this.plain.add(name);
    this.names.set(name, found);
  }

  /** A name of something that software makes: a bond, bridge, VLAN, tunnel, or of a wireless card. */
  virtual(name: string): void {
    if (name !== '') this.made.add(name);
  }

  /** An address by which alone a configuration finds a card; returns it in its usual form. */
  address(text: string, path: string): string | null {
    const mac = this.record(text, path);
    if (mac) this.nameless.add(mac);
    return mac;
  }

  /** Only by a property of the card that is another at the target. */
  byHardware(path: string, property: string): void {
    this.files.note({
      id: 'guest.nic-match',
      severity: 'warning',
      message: `${shown(path)} finds a network card by its ${property}, which is another at the target.`,
      remedy: 'Let it name the card by its MAC address instead, before the move.',
    });
  }

  /** The names of cards, without what software makes on them. */
  physical(): FoundName[] {
    return [...this.names.values()]
      .filter(({ name, sure }) => !this.made.has(name) && (sure || !looksVirtual(name)))
      .map(({ name, macs, path, rank }) => ({ name, macs, path, rank }));
  }

  private record(text: string, path: string): string | null {
    const mac = ethernetAddress(text);
    if (mac && !this.addresses.has(mac)) this.addresses.set(mac, path);
    return mac;
  }

  private refuse(given: string, path: string): void {
    if (this.strange.has(given) || this.strange.size >= 20) return;
    this.strange.add(given);
    this.files.note({
      id: 'guest.nic-name',
      severity: 'warning',
      message: `${shown(path)} names a network card ${shown(given)}, which is no name that the kernel takes.`,
      remedy: 'Correct the name in the guest.',
    });
  }
}
