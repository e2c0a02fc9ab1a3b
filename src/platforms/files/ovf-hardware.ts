import { blocking, info, warning, type Finding } from '../../model/finding.js';
import type { VmDescription, VmNic } from '../../model/vm.js';
import type { OvfEnvelope } from './ovf-envelope.js';
import type { OvfItem } from './ovf-items.js';
import type { MachineFacts } from './ovf-machine.js';
import {
  hostile,
  listed,
  MAX_CPUS,
  MAX_MEMORY_BYTES,
  macAddress,
  plainText,
  quoted,
  wholeNumber,
} from './foreign-values.js';
import { sriov } from './foreign-findings.js';
import { unitBytes } from './ovf-values.js';
import { vmwareSlot } from './vmware-slot.js';

/** Processors, memory and network cards of one virtual system. */

/** VMware's greatest machine has 768 processors and 24 TiB; what is far beyond is no machine. */
const MAX_NICS = 256;

export function describeCpu(
  items: readonly OvfItem[],
  facts: MachineFacts,
  what: string,
  findings: Finding[],
): VmDescription['cpu'] {
  const item = items.find((each) => each.kind === 'cpu');
  const number = (names: string[], least: number): number | null => {
    const text = item?.node.child(...names);
    return text == null ? null : wholeNumber(text, names[0]!, what, least, MAX_CPUS);
  };
  const sockets = number(['num_of_sockets'], 1);
  // VMware writes 0 for "as the host likes".
  const cores = number(['cpu_per_socket', 'CoresPerSocket'], 0) || facts.coresPerSocket || 1;
  const threads = number(['threads_per_cpu'], 1) ?? 1;
  const said = number(['VirtualQuantity'], 1) ?? (sockets === null ? null : sockets * cores * threads);
  if (said === null) {
    findings.push({
      id: 'cpu.unstated',
      ...warning('The number of processors is not said; the VM gets one.', 'Change it at the target by hand.'),
    });
  }
  const count = said ?? 1;
  const model = facts.cpuModel === null ? null : plainText(facts.cpuModel, 'the model of the processor', what);
  if (count > MAX_CPUS) throw hostile(what, `a machine has ${count} processors`);
  if (count % (cores * threads) !== 0) {
    findings.push({
      id: 'cpu.topology',
      ...warning(
        `${count} processors do not make whole sockets of ${cores} cores with ${threads} threads; each becomes a socket.`,
        'See whether software in the guest is licensed by sockets.',
      ),
    });
    return { count, sockets: count, coresPerSocket: 1, threadsPerCore: 1, model };
  }
  return {
    count,
    sockets: count / (cores * threads),
    coresPerSocket: cores,
    threadsPerCore: threads,
    model,
  };
}

/** Without a unit it is MiB, as VMware and VirtualBox read it. */
export function memoryBytes(items: readonly OvfItem[], what: string, findings: Finding[]): number {
  const node = items.find((each) => each.kind === 'memory')?.node;
  const text = node?.child('VirtualQuantity') ?? null;
  const units = node?.child('AllocationUnits') ?? 'MegaBytes';
  const unit = unitBytes(units);
  if (text === null || /^0+$/.test(text) || unit === null) {
    const why = unit !== null ? 'is not said' : `is in a unit that is not known (${quoted(units)})`;
    findings.push({
      id: 'memory.unstated',
      ...blocking(`How much memory the VM has ${why}.`, 'Write it in the descriptor in MegaBytes.'),
    });
    return 0;
  }
  const most = Math.floor(MAX_MEMORY_BYTES / unit);
  return wholeNumber(text, 'the memory', what, 1, Math.max(most, 1)) * unit;
}

/** Names in libvirt's terms. */
const NIC_MODELS: [RegExp, string][] = [
  [/^(vmware\.)?e1000e$/, 'e1000e'],
  [/^(vmware\.)?e1000$|^8254[035](em|gc)$/, 'e1000'],
  [/^(vmware\.)?vmxnet3$/, 'vmxnet3'],
  [/^pcnet(32|pci(ii|iii)?)?$|^am79c97/, 'pcnet'],
  [/^virtio([-_]?net)?$/, 'virtio'],
  [/^rtl8139$/, 'rtl8139'],
];

/** oVirt has numbers (engine, VmInterfaceType). */
const OVIRT_NICS = new Map([
  ['0', 'rtl8139'],
  ['1', 'rtl8139'],
  ['2', 'e1000'],
  ['3', 'virtio'],
  ['6', 'e1000e'],
]);

export function describeNics(
  items: readonly OvfItem[],
  facts: MachineFacts,
  envelope: OvfEnvelope,
  findings: Finding[],
): VmNic[] {
  const found = items.filter((each) => each.kind === 'nic');
  if (found.length > MAX_NICS) throw hostile(envelope.what, `a machine has more than ${MAX_NICS} network cards`);
  // They belong to the items one by one, or not at all.
  const adapters = facts.adapters.length === found.length ? facts.adapters : [];
  const unplugged: string[] = [];
  const nics = found.map((item, index): VmNic => {
    const { node } = item;
    const label = `${index + 1} (${item.label})`;
    const adapter = adapters[index] ?? null;
    // In oVirt's `Address` is a place on the PCI bus.
    const mac = macAddress(node.child('MACAddress')) ?? macAddress(node.child('Address')) ?? adapter?.mac ?? '';
    const names = adapter?.model ? [adapter.model] : item.subTypes;
    const model = modelOf(names, envelope.ovirt);
    const network = node.child('Connection');
    const slot = node.all('Config').find((each) => each.get('key')?.toLowerCase() === 'slotinfo.pcislotnumber');
    if (mac === '') findings.push(noAddress(label));
    if (isVirtualFunction(names, envelope.ovirt)) findings.push(sriov(label));
    else if (model === null) findings.push(nicModel(label, names));
    if (network === null) findings.push(noNetwork(label));
    if (node.child('Linked')?.toLowerCase() === 'false' || startsUnplugged(node.child('AutomaticAllocation')))
      unplugged.push(label);
    return {
      mac,
      network: network === null ? 'unknown' : plainText(network, 'the name of a network', envelope.what),
      networkKind: network === null ? 'other' : 'network',
      model: model ?? plainText(names[0] ?? 'unknown', 'the model of a network card', envelope.what),
      ...vmwareSlot(slot?.get('value') ?? ''),
    };
  });
  if (unplugged.length > 0) {
    findings.push({
      id: 'nic.disconnected',
      ...info(
        `The cable of network card(s) ${listed(unplugged)} is unplugged; at the target it is plugged in.`,
        'Take the card away, or map its network to none.',
      ),
    });
  }
  return nics;
}

function modelOf(names: readonly string[], ovirt: boolean): string | null {
  for (const name of names) {
    const known = ovirt ? OVIRT_NICS.get(name) : undefined;
    const model = known ?? NIC_MODELS.find(([pattern]) => pattern.test(name.toLowerCase()))?.[1];
    if (model) return model;
  }
  return null;
}

/** VMware has a name for it, oVirt a number (engine, VmInterfaceType.pciPassthrough). */
function isVirtualFunction(names: readonly string[], ovirt: boolean): boolean {
  return names.some((name) => (ovirt && name === '5') || /sriov/i.test(name));
}

function startsUnplugged(automatic: string | null): boolean {
  return automatic?.toLowerCase() === 'false';
}

function noAddress(nic: string): Finding {
  return {
    id: 'nic.address-missing',
    ...info(
      `No MAC address is said for the network card ${nic}; it gets one at the target.`,
      'See whether leases, licences or the guest depend on the one it had.',
    ),
  };
}

function nicModel(nic: string, names: readonly string[]): Finding {
  const said = names.length === 0 ? 'no model' : `the model ${listed(names)}, which is not carried over`;
  return {
    id: 'nic.model',
    ...warning(
      `The network card ${nic} has ${said}; it becomes another.`,
      'Make sure that the guest has a driver for the new card, and configures it by MAC address.',
    ),
  };
}

function noNetwork(nic: string): Finding {
  return {
    id: 'nic.kind',
    ...warning(
      `The network card ${nic} is connected to no network.`,
      'Name a network of the target for it under `networks`.',
    ),
  };
}
