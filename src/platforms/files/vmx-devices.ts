import type { Finding } from '../../model/finding.js';
import type { VmDescription, VmNic } from '../../model/vm.js';
import { disconnected, nicKind, nicModel, sriov, withoutMac } from './foreign-findings.js';
import { hostile, macAddress, quoted } from './foreign-values.js';
import { vmwareSlot } from './vmware-slot.js';
import type { VmxDictionary } from './vmx-dictionary.js';

/** Network cards, sound and ports of a .vmx. */

/** Names of VMware's cards in libvirt's terms. The older vmxnet and vmxnet2 have no like elsewhere. */
const NIC_MODELS = new Map([
  ['vlance', 'pcnet'],
  ['e1000', 'e1000'],
  ['e1000e', 'e1000e'],
  ['vmxnet3', 'vmxnet3'],
]);

/** Likewise: what is next of kin. */
const SOUND_MODELS = new Map([
  ['es1371', 'es1370'],
  ['hdaudio', 'ich6'],
  ['sb16', 'sb16'],
]);

export function describeNics(vmx: VmxDictionary): { nics: VmNic[]; findings: Finding[] } {
  const nics: VmNic[] = [];
  const findings: Finding[] = [];
  const unplugged: string[] = [];
  for (const number of vmx.present('ethernet')) {
    const name = `ethernet${number}`;
    const model = modelOf(vmx, name);
    const mac = macOf(vmx, name);
    const link = linkOf(vmx, name);
    const card = { mac, model: NIC_MODELS.get(model) ?? model, network: link.network, networkKind: link.kind };
    nics.push({ ...card, ...vmwareSlot(vmx.raw(`${name}.pciSlotNumber`)) });
    if (mac === '') findings.push(withoutMac(name));
    if (model === 'sriov') findings.push(sriov(name));
    else if (!NIC_MODELS.has(model)) findings.push(nicModel(name, model));
    if (link.kind === 'other') findings.push(nicKind(name, quoted(link.network)));
    if (!vmx.flag(`${name}.startConnected`, true)) unplugged.push(name);
  }
  if (unplugged.length > 0) findings.push(disconnected(unplugged));
  return { nics, findings };
}

/** Without a name it depends on the guest: an AMD PCnet, or for 64-bit ones, which have no driver for it, an e1000. */
function modelOf(vmx: VmxDictionary, name: string): string {
  const model = vmx.text(`${name}.virtualDev`)?.toLowerCase();
  return model ?? (/-64$/.test(vmx.raw('guestOS')) ? 'e1000' : 'vlance');
}

/** `addressType` says which counts: "static" the one that was given, others the one that VMware made. */
function macOf(vmx: VmxDictionary, name: string): string {
  const keys = [`${name}.generatedAddress`, `${name}.address`];
  if (vmx.raw(`${name}.addressType`).toLowerCase() === 'static') keys.reverse();
  const key = keys.find((each) => vmx.raw(each) !== '');
  if (key === undefined) return '';
  const mac = macAddress(vmx.raw(key));
  if (mac === null) throw hostile(vmx.what, `${key} is ${quoted(vmx.raw(key))}, not a MAC address`);
  return mac;
}

/** ESXi names a port group; Workstation and Fusion a kind of connection, and with "custom" a virtual switch. */
function linkOf(vmx: VmxDictionary, name: string): { network: string; kind: VmNic['networkKind'] } {
  const group = vmx.text(`${name}.networkName`) ?? vmx.text(`${name}.dvs.portgroupId`);
  if (group !== null) return { network: group, kind: 'network' };
  const connection = vmx.text(`${name}.connectionType`)?.toLowerCase() ?? 'bridged';
  const vnet = vmx.text(`${name}.vnet`);
  if (connection === 'custom' && vnet !== null) return { network: vnet, kind: 'network' };
  if (connection === 'pvn') return { network: vmx.text(`${name}.pvnID`) ?? 'pvn', kind: 'network' };
  const known = ['bridged', 'nat', 'hostonly'].includes(connection);
  return { network: connection, kind: known ? 'network' : 'other' };
}

export function describeSound(vmx: VmxDictionary): VmDescription['sound'] {
  if (!vmx.flag('sound.present')) return null;
  const model = vmx.text('sound.virtualDev')?.toLowerCase() ?? 'es1371';
  return SOUND_MODELS.get(model) ?? model;
}

/** Names of the serial ports; Workstation's printer, which is built like one, is none. */
export function serialPorts(vmx: VmxDictionary): string[] {
  const ports = vmx.present('serial').map((number) => `serial${number}`);
  return ports.filter((port) => !isPrinter(vmx, port));
}

export function isPrinter(vmx: VmxDictionary, port: string): boolean {
  return vmx.raw(`${port}.fileType`).toLowerCase() === 'thinprint';
}
