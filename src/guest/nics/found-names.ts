import { shown, type ConfigFiles } from '../config-files.js';
import { isGlob } from '../glob.js';
import { ethernetAddress, isInterfaceName, looksVirtual, physicalBase } from './names.js';
import { fitsAnywhere, isForCards } from './patterns.js';

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

/** A network card that the guest's configuration finds by patterns of names, any of which may fit. */
export interface FoundPattern {
  words: string[];
  path: string;
  rank: number;
  /** The cards that it is for; none: any. */
  macs: string[];
}

/** By what a configuration finds a card: all that is said has to fit. */
export interface Wanted {
  /** Names and patterns (glob(7)), of which one has to fit. */
  words: readonly string[];
  /** Addresses, of which it has to have one. */
  macs: readonly string[];
  /** Properties that are others at the target, such as its driver. */
  hardware: readonly string[];
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
/** More patterns than people write, in one place and in all; each is held against each. */
const MAX_PATTERNS = 20;
/** The longest name has 15 characters. */
const MAX_PATTERN_CHARS = 64;

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
  readonly patterns: FoundPattern[] = [];
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

  /** A card that is found by what it is; what is empty does not matter. */
  find({ words, macs, hardware }: Wanted, path: string, use: Use & { sure?: boolean }): void {
    hardware.forEach((property) => this.byHardware(path, property.toLowerCase()));
    const short = words.filter((each) => isForCards(each) && each.length <= MAX_PATTERN_CHARS);
    const patterns = hardware.length > 0 ? [] : short.slice(0, MAX_PATTERNS);
    // A pattern that fits whatever a card is called makes the names beside it no matter.
    const names = fitsAnywhere(patterns) ? [] : words.filter((each) => !isGlob(each));
    const mac = names.length === 1 && macs.length === 1 ? (macs[0] ?? null) : null;
    names.forEach((each) => this.use(each, path, { mac, ...use }));
    if (names.length > 0 && patterns.length === 0) return;
    const own = macs.flatMap((each) => this.address(each, path) ?? []);
    if (macs.length + hardware.length === 0) this.fitsAny = true;
    if (patterns.length === 0 || (macs.length > 0 && own.length === 0)) return;
    if (this.patterns.length >= MAX_PATTERNS) {
      this.files.skip(path, `the guest finds network cards by more than ${MAX_PATTERNS} patterns`);
      return;
    }
    this.patterns.push({ words: patterns, path, rank: rankOf(use), macs: own });
  }

  /** A name of something that software makes: a bond, bridge, VLAN, tunnel, or of a wireless card. */
  virtual(name: string): void {
    if (name !== '') this.made.add(name);
  }

  isVirtual(name: string): boolean {
    return this.made.has(name);
  }

  /** An address by which alone a configuration finds a card; returns it in its usual form. */
  address(text: string, path: string): string | null {
    const mac = this.record(text, path);
    if (mac) this.nameless.add(mac);
    return mac;
  }

  /** What something is made on: a name, an address, or the UUID of a connection, which has a file of its own. */
  below(parent: string, path: string, use: Use): void {
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(parent)) return;
    if (this.address(parent, path) === null) this.use(parent, path, { ...use, fixed: true });
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
