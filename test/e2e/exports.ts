import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDebianDisk } from '../../lab/guest/debian.js';
import { makeSystemDisk } from '../../lab/guest/disks.js';
import { LAN } from '../../lab/host/libvirt.js';
import { RECORDER_PORT } from '../../lab/recorder.js';
import { LocalHost } from '../../src/exec/local.js';

/** The lab's guest as another maker's tools export it: on a SATA disk and an e1000, in files. */
export interface ExportedGuest {
  name: string;
  address: string;
  mac: string;
  /** Content of its disk, as a raw file. */
  raw: string;
  /** Default 256. */
  memoryMib?: number;
}

const machine = new LocalHost();
const run = (command: string, ...args: string[]) => machine.run(command, args, { timeoutMs: 300_000 });

/** Makes the guest's disk; nothing is defined anywhere. */
export async function exportableGuest(
  folder: string,
  name: string,
  address = '192.168.150.40',
): Promise<ExportedGuest> {
  const raw = join(folder, `${name}.content`);
  await makeSystemDisk(raw, 'raw', 'generic', {
    hostname: name,
    address: `${address}/24`,
    recorder: `${LAN.address}:${RECORDER_PORT}`,
  });
  return { name, address, mac: macOf(name), raw };
}

/** A Debian as its installer leaves it, on VMware's devices: with systemd, GRUB, ifupdown and VMware's tools. */
export async function exportableDebian(
  folder: string,
  name: string,
  drivers: 'most' | 'old',
  address = '192.168.150.41',
): Promise<ExportedGuest> {
  const raw = join(folder, `${name}.content`);
  await makeDebianDisk(raw, { hostname: name, address: `${address}/24`, gateway: LAN.address, drivers });
  return { name, address, mac: macOf(name), raw, memoryMib: 512 };
}

function macOf(name: string): string {
  const digest = createHash('sha256').update(name).digest('hex');
  return `00:50:56:${digest.replace(/(..)(..)(..).*/, '$1:$2:$3')}`;
}

/** Writes the guest's disk as an image of that format, with qemu-img. */
export async function writeImage(
  guest: ExportedGuest,
  path: string,
  format: string,
  subformat?: string,
): Promise<void> {
  const options = subformat === undefined ? [] : ['-o', `subformat=${subformat}`];
  await run('qemu-img', 'convert', '-f', 'raw', '-O', format, ...options, guest.raw, path);
}

/** An OVA as VMware writes one: OVF, manifest, streamOptimized VMDK. */
export async function writeOva(guest: ExportedGuest, folder: string): Promise<string> {
  const disk = `${guest.name}-disk1.vmdk`;
  await writeImage(guest, join(folder, disk), 'vmdk', 'streamOptimized');
  const bytes = await readFile(join(folder, disk));
  const ovf = ovfText(guest, disk, bytes.length, (await readFile(guest.raw)).length);
  await writeFile(join(folder, `${guest.name}.ovf`), ovf);
  const digest = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
  const manifest = `SHA256(${guest.name}.ovf)= ${digest(ovf)}\nSHA256(${disk})= ${digest(bytes)}\n`;
  await writeFile(join(folder, `${guest.name}.mf`), manifest);
  const names = [`${guest.name}.ovf`, `${guest.name}.mf`, disk];
  const ova = join(folder, `${guest.name}.ova`);
  await run('tar', '--format=ustar', '-C', folder, '-cf', ova, ...names);
  for (const name of names) await rm(join(folder, name));
  return ova;
}

function ovfText(guest: ExportedGuest, disk: string, fileBytes: number, sizeBytes: number): string {
  const item = (parts: Record<string, string | number>) =>
    `<Item>${Object.entries(parts)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `<rasd:${name}>${value}</rasd:${name}>`)
      .join('')}</Item>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References><File ovf:href="${disk}" ovf:id="file1" ovf:size="${fileBytes}"/></References>
  <DiskSection><Info>Disks</Info>
    <Disk ovf:capacity="${sizeBytes}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk1" ovf:fileRef="file1"
      ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
  <NetworkSection><Info>Networks</Info><Network ovf:name="VM Network"><Description>LAN</Description></Network></NetworkSection>
  <VirtualSystem ovf:id="${guest.name}"><Info>A machine</Info><Name>${guest.name}</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian10_64Guest"><Info>OS</Info></OperatingSystemSection>
    <VirtualHardwareSection><Info>Hardware</Info>
      <System><vssd:ElementName>Virtual Hardware Family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>${guest.name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType></System>
      ${item({ ElementName: '1 virtual CPU', InstanceID: 1, ResourceType: 3, VirtualQuantity: 1 })}
      ${item({ AllocationUnits: 'byte * 2^20', ElementName: 'Memory', InstanceID: 2, ResourceType: 4, VirtualQuantity: guest.memoryMib ?? 256 })}
      ${item({ Address: 0, ElementName: 'SATA controller 0', InstanceID: 3, ResourceSubType: 'vmware.sata.ahci', ResourceType: 20 })}
      ${item({ AddressOnParent: 0, ElementName: 'Hard disk 1', HostResource: 'ovf:/disk/vmdisk1', InstanceID: 4, Parent: 3, ResourceType: 17 })}
      ${item({ Address: guest.mac, AddressOnParent: 7, AutomaticAllocation: 'true', Connection: 'VM Network', ElementName: 'Network adapter 1', InstanceID: 5, ResourceSubType: 'E1000', ResourceType: 10 })}
    </VirtualHardwareSection></VirtualSystem></Envelope>
`;
}
