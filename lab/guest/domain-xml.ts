import type { Accelerator } from '../../src/platforms/accelerator.js';
import type { DiskFormat } from './disks.js';

export type GuestBus = 'virtio' | 'sata' | 'ide' | 'scsi';

export interface DomainParts {
  name: string;
  accelerator: Accelerator;
  firmware: 'bios' | 'uefi';
  memoryMib: number;
  cpus: number;
  bus: GuestBus;
  disks: { path: string; format: DiskFormat }[];
  network: string;
  mac: string | null;
  agent: boolean;
  tpm: boolean;
  consoleLog: string;
  uuid: string | null;
}

const TARGETS: Record<GuestBus, string> = { virtio: 'vd', sata: 'sd', scsi: 'sd', ide: 'hd' };

/** The target name of a guest's disk: `vda`, `sdb`, … */
export function targetName(bus: GuestBus, index: number): string {
  return `${TARGETS[bus]}${String.fromCharCode(97 + index)}`;
}

/** libvirt's definition of a lab guest (https://libvirt.org/formatdomain.html). */
export function domainXml(parts: DomainParts): string {
  // IDE is of the older chipset; the newer one has SATA.
  const machine = parts.bus === 'ide' ? 'pc' : 'q35';
  const firmware = parts.firmware === 'uefi' ? ` firmware='efi'` : '';
  const secureBoot = `<firmware><feature enabled='no' name='secure-boot'/></firmware>`;
  const model = parts.bus === 'ide' || parts.bus === 'sata' ? 'e1000' : 'virtio';
  const disks = parts.disks.map(
    ({ path, format }, index) => `
    <disk type='file' device='disk'>
      <driver name='qemu' type='${format}' cache='none' discard='unmap'/>
      <source file='${path}'/>
      <target dev='${targetName(parts.bus, index)}' bus='${parts.bus}'/>
      <serial>vmferry-${index}</serial>
      ${index === 0 ? `<boot order='1'/>` : ''}
    </disk>`,
  );
  return `<domain type='${parts.accelerator === 'kvm' ? 'kvm' : 'qemu'}'>
  <name>${parts.name}</name>
  ${parts.uuid ? `<uuid>${parts.uuid}</uuid>` : ''}
  <memory unit='MiB'>${parts.memoryMib}</memory>
  <vcpu>${parts.cpus}</vcpu>
  <os${firmware}>
    <type arch='x86_64' machine='${machine}'>hvm</type>
    ${parts.firmware === 'uefi' ? secureBoot : ''}
  </os>
  <features><acpi/><apic/></features>
  ${parts.accelerator === 'kvm' ? `<cpu mode='host-model'/>` : ''}
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>${disks.join('')}
    ${parts.bus === 'scsi' ? `<controller type='scsi' model='virtio-scsi'/>` : ''}
    <interface type='network'>
      ${parts.mac ? `<mac address='${parts.mac}'/>` : ''}
      <source network='${parts.network}'/>
      <model type='${model}'/>
    </interface>
    <serial type='pty'>
      <log file='${parts.consoleLog}' append='on'/>
      <target port='0'/>
    </serial>
    ${parts.agent ? `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>` : ''}
    ${parts.tpm ? `<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>` : ''}
    <graphics type='vnc' port='-1'/>
    <video><model type='vga'/></video>
    <memballoon model='none'/>
  </devices>
</domain>`;
}
