import { warning, type Finding } from '../../model/finding.js';
import type { VmDescription, VmNic } from '../../model/vm.js';
import type { XmlElement } from '../xml.js';
import { disconnected, nicKind, nicModel, withoutMac } from './foreign-findings.js';
import { hostile, macAddress, plainText, quoted, wholeNumber } from './foreign-values.js';

/** Network adapters, sound and ports of a VirtualBox machine. */

/** TNetworkAdapterType in libvirt's terms. */
const NIC_MODELS = new Map([
  ['Am79C970A', 'pcnet'],
  ['Am79C973', 'pcnet'],
  ['82540EM', 'e1000'],
  ['82543GC', 'e1000'],
  ['82545EM', 'e1000'],
  ['virtio', 'virtio'],
]);

const SOUND_MODELS = new Map([
  ['AC97', 'ac97'],
  ['SB16', 'sb16'],
  ['HDA', 'ich6'],
]);

/** Ways of connecting an adapter that have a name (TNetworkConfig), and those that have none. */
const NAMED = ['BridgedInterface', 'HostOnlyInterface', 'HostOnlyNetwork', 'InternalNetwork', 'NATNetwork'];

export function describeNics(hardware: XmlElement, what: string): { nics: VmNic[]; findings: Finding[] } {
  const nics: VmNic[] = [];
  const findings: Finding[] = [];
  const unplugged: string[] = [];
  const forwarded: string[] = [];
  for (const { slot, adapter } of enabledAdapters(hardware, what)) {
    const name = `adapter ${slot + 1}`;
    const model = adapter.get('type') ?? 'Am79C973';
    const address = adapter.get('MACAddress') ?? '';
    const mac = address === '' ? '' : macAddress(address);
    if (mac === null) throw hostile(what, `${name} has ${quoted(address)} as its MAC address`);
    const link = linkOf(adapter, what);
    nics.push({ mac, network: link.network, networkKind: link.kind, model: NIC_MODELS.get(model) ?? 'other' });
    if (mac === '') findings.push(withoutMac(name));
    if (!NIC_MODELS.has(model)) findings.push(nicModel(name, model));
    if (link.kind === 'other') findings.push(nicKind(name, quoted(link.network)));
    if (adapter.get('cable') === 'false') unplugged.push(name);
    if (adapter.at('NAT/Forwarding')) forwarded.push(name);
  }
  if (unplugged.length > 0) findings.push(disconnected(unplugged));
  if (forwarded.length > 0) findings.push(portForwarding(forwarded));
  return { nics, findings };
}

function enabledAdapters(hardware: XmlElement, what: string): { slot: number; adapter: XmlElement }[] {
  return (hardware.at('Network')?.all('Adapter') ?? [])
    .filter((each) => each.get('enabled') === 'true')
    .map((adapter) => ({ slot: wholeNumber(adapter.get('slot') ?? '', 'slot', what, 0, 1023), adapter }))
    .sort((a, b) => a.slot - b.slot);
}

/** The child that is not under `DisabledModes`. One without any leads nowhere. */
function linkOf(adapter: XmlElement, what: string): { network: string; kind: VmNic['networkKind'] } {
  if (adapter.at('NAT')) return { network: 'nat', kind: 'network' };
  for (const way of NAMED) {
    const name = adapter.at(way)?.get('name');
    if (name) return { network: plainText(name, `the name of a ${way}`, what), kind: 'network' };
  }
  const other = adapter.all().find((each) => each.name !== 'DisabledModes');
  return { network: other ? plainText(other.name, 'the kind of a connection', what) : 'none', kind: 'other' };
}

function portForwarding(nics: readonly string[]): Finding {
  return {
    id: 'nic.port-forwarding',
    ...warning(
      `Ports of the host are forwarded to the guest (${nics.join(', ')}); they are not carried over.`,
      'Forward them at the target, or let clients find the guest at its new address.',
    ),
  };
}

export function describeAudio(hardware: XmlElement): VmDescription['sound'] {
  const audio = hardware.at('AudioAdapter');
  if (audio?.get('enabled') !== 'true') return null;
  const controller = audio.get('controller') ?? 'AC97';
  return SOUND_MODELS.get(controller) ?? controller;
}

/** Ports that the guest sees. */
export function serialPorts(hardware: XmlElement): XmlElement[] {
  return (hardware.at('UART')?.all('Port') ?? []).filter((each) => each.get('enabled') === 'true');
}
