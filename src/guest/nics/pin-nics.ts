import type { Finding } from '../../model/finding.js';
import { ConfigFiles, shown } from '../config-files.js';
import type { Edit, GuestTree } from '../tree.js';
import { assignNames, type Card, type PinnedNic } from './assign.js';
import { FoundNames, type FoundName } from './found-names.js';
import { readRedHatIfcfg } from './ifcfg-redhat.js';
import { readSuseIfcfg } from './ifcfg-suse.js';
import { readDhcpcd } from './dhcpcd.js';
import { readIfupdown } from './ifupdown.js';
import { readLinks, type LinkFile } from './links.js';
import { ethernetAddress, isKernelName, isPinnable } from './names.js';
import { renewAddresses, renewals, renewedFinding, type Renewed } from './new-addresses.js';
import { namingOf } from './naming.js';
import { readNetctl } from './netctl.js';
import { readNetifrc } from './netifrc.js';
import { readNetplan } from './netplan.js';
import { readNetworkManager } from './network-manager.js';
import { readNetworkd } from './networkd.js';
import { readNameRules, type NameRule } from './udev-rules.js';
import { noteAsked, writePins } from './write-pins.js';

export type { Card, Evidence, PinnedNic } from './assign.js';

export interface PinOptions {
  /** What a running guest's agent reported: the best evidence there is. */
  seen?: readonly { name: string; mac: string }[];
}

export interface NicPlan {
  /** In the order of the cards; those whose name no configuration uses are not among them. */
  pinned: PinnedNic[];
  /** Nothing where the names hold by themselves. */
  edits: Edit[];
  /** Files that find a card by an address, which is another now. */
  renewed: Renewed[];
  findings: Finding[];
}

const READERS = [
  ...[readIfupdown, readRedHatIfcfg, readSuseIfcfg, readNetworkManager, readNetplan, readNetworkd],
  ...[readNetctl, readNetifrc, readDhcpcd],
];

/**
 * Keeps the names that a guest's configuration uses for its network cards, by their MAC addresses: model and PCI place are
 * others at the target, and with them the names. `nics` are in the order of the machine's description. A guest that finds
 * its cards by address or pattern is left as it is. Run on its own result, with the same evidence, it
 * changes nothing.
 */
export async function pinNics(tree: GuestTree, nics: readonly Card[], options: PinOptions = {}): Promise<NicPlan> {
  const files = new ConfigFiles(tree);
  const found = new FoundNames(files);
  for (const read of READERS) {
    await read(files, found);
  }
  const rules = await readNameRules(files);
  let links = await readLinks(files);
  const cards = cardsOf(nics);
  const macs = cards.map(({ mac }) => mac);
  const names = pinnable(files, found.physical());
  const byRule = [...links.flatMap(({ pin }) => pin ?? []), ...rules.byMac].map(({ mac, name }) => ({ mac, name }));
  const naming = await namingOf(files);
  const { nameless, patterns } = found;
  const places = placesOf(links, rules.others);
  // What is made on a card has its address, too.
  const seen = (options.seen ?? []).filter(({ name }) => !found.isVirtual(name));
  const known = { seen, rules: byRule, places, nameless, patterns };
  const { pinned, findings } = assignNames(cards, names, { ...known, kernelNames: naming.kernelNames });
  const renewed = await renewAddresses(files, renewals(cards, names, found, pinned, byRule));
  if (renewed.length > 0) links = await readLinks(files);
  const present = new Set([...macs, ...renewed.map(({ from }) => from)]);
  files.note(...findings, ...renewed.map(renewedFinding), ...goneAddresses(found, present));

  const open = pinned.filter(({ mac, name }) => found.selfPinned.get(name) !== mac);
  if (open.length > 0 && !naming.udev) {
    files.note({
      id: 'guest.nic-no-udev',
      severity: 'warning',
      message: 'The guest has no udev, so that the names of its network cards cannot be held; the kernel numbers them.',
      remedy: 'Give the cards the same order at the target, and look at its addresses in the rehearsal.',
    });
  } else {
    await writePins(files, open, macs, { naming, rules, links });
    noteAsked(files, pinned, macs, { rules, links }, (path, property) => found.byHardware(path, property));
  }
  const kernels = pinned.filter(({ name }) => isKernelName(name));
  if (kernels.length > 0 && macs.length > 1) files.note(kernelNames(kernels, naming.kernelNames));
  return { pinned, edits: files.edits(), renewed, findings: files.findings };
}

/** Those with an address, in its usual form, each once. */
function cardsOf(nics: readonly Card[]): Card[] {
  const cards = new Map<string, Card>();
  for (const nic of nics) {
    const mac = ethernetAddress(nic.mac);
    if (mac && !cards.has(mac)) cards.set(mac, { ...nic, mac });
  }
  return [...cards.values()];
}

/** Where names are given to what is at a place on the PCI bus of the source. */
function placesOf(links: readonly LinkFile[], rules: readonly NameRule[]): Map<string, string> {
  const byLink = links.map(({ gives, place }) => ({ name: gives, place }));
  const pairs = [...byLink, ...rules].flatMap(({ name, place }): [string, string][] =>
    name !== null && place !== null ? [[name, place]] : [],
  );
  return new Map(pairs);
}

/** Names that the kernel would take but that cannot be written into a rule or a path are left alone, and said. */
function pinnable(files: ConfigFiles, names: FoundName[]): FoundName[] {
  const strange = names.filter(({ name }) => !isPinnable(name));
  for (const { name, path } of strange.slice(0, 20)) {
    files.note({
      id: 'guest.nic-name',
      severity: 'warning',
      message: `${shown(path)} names a network card ${shown(name)}, which cannot be held by a udev rule.`,
      remedy: 'Give the card a name of letters, digits, `_`, `.` and `-`.',
    });
  }
  return names.filter(({ name }) => isPinnable(name));
}

function goneAddresses(found: FoundNames, present: ReadonlySet<string>): Finding[] {
  const gone = [...found.addresses].filter(([mac]) => !present.has(mac)).slice(0, 20);
  return gone.map(([mac, path]) => ({
    id: 'guest.nic-mac',
    severity: 'warning',
    message: `${shown(path)} is for a network card with the address ${mac}, which the machine does not have.`,
    remedy: 'See whether it is a leftover; if not, give the machine a card with this address.',
  }));
}

function kernelNames(kernels: readonly PinnedNic[], byKernel: boolean): Finding {
  const names = kernels.map(({ name }) => name).join(', ');
  const why = byKernel
    ? 'which the kernel also gives, in the order in which it finds the cards'
    : 'which are names that the kernel itself may give';
  return {
    id: 'guest.nic-kernel-name',
    severity: 'info',
    message: `The guest calls network cards ${names}, ${why}; they are held by udev rules, which cannot swap two names.`,
    remedy: 'Keep the order of the cards at the target, and look at its addresses in the rehearsal.',
  };
}
