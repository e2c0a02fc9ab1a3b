import { join } from 'node:path';
import { accelerator } from '../../lab/guest/accelerator.js';
import { makeDebianDisk, type DebianSettings } from '../../lab/guest/debian.js';
import { domainXml } from '../../lab/guest/domain-xml.js';
import { LAN } from '../../lab/host/libvirt.js';
import type { World } from './world.js';

/** A real Debian that runs at dc-old as `web01`, with its agent answering; gone with the world. */
export async function runDebian(
  world: World,
  bus: 'virtio' | 'sata',
  settings: Pick<DebianSettings, 'drivers'> & { address: string },
): Promise<void> {
  const { old } = world.lab;
  const raw = join(await world.folder('made'), 'web01.content');
  const { address, drivers } = settings;
  const parts = { hostname: 'web01', address: `${address}/24`, gateway: LAN.address, drivers, devices: bus };
  await makeDebianDisk(raw, parts);
  const path = join(old.images, 'web01-debian.qcow2');
  await world.machine.run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path], { timeoutMs: 300_000 });
  const xml = domainXml({
    ...{ name: 'web01', firmware: 'bios', memoryMib: 512, cpus: 1, bus, disks: [{ path, format: 'qcow2' }] },
    ...{ network: LAN.network, mac: null, agent: true, tpm: false, uuid: null },
    consoleLog: '/var/log/libvirt/qemu/web01-debian.log',
    accelerator: await accelerator(),
  });
  await old.host.run('virsh', ['-q', '-c', 'qemu:///system', 'define', '/dev/stdin'], { input: xml });
  await world.virsh('old', 'start', 'web01');
  const ping = JSON.stringify({ execute: 'guest-ping' });
  const answers = async () => (await world.virsh('old', 'qemu-agent-command', 'web01', ping)) !== '';
  await world.until('answered by its agent', answers, 300_000);
}
