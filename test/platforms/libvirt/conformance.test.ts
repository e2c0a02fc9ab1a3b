import { openSite } from '../../../src/platforms/registry.js';
import { conformance, type PlatformLab } from '../conformance.js';
import { defineVm, removeVm, startPaused, startTestHost, write } from './lab-vm.js';
import { DISK, VM } from './vm-fixture.js';

const MIB = 2 ** 20;
const DISKS = [
  { id: 'vda', format: 'qcow2', sizeMib: 8 },
  { id: 'vdb', format: 'qcow2', sizeMib: 4 },
] as const;

async function open(): Promise<PlatformLab> {
  const host = await startTestHost('conforms');
  const vm = 'source01';
  await defineVm(host, vm, DISKS);
  const site = openSite('dc', host.config);
  return {
    site,
    vm,
    disks: DISKS.map(({ id, sizeMib }) => ({ id, sizeBytes: sizeMib * MIB })),
    target: { description: { ...VM, disks: [{ ...DISK, sizeBytes: MIB }] }, networks: { lan: 'lan' } },
    write: (disk, offsetBytes, lengthBytes, pattern) => {
      const index = DISKS.findIndex(({ id }) => id === disk);
      return write(host, vm, index, String(offsetBytes), String(lengthBytes), pattern);
    },
    start: () => startPaused(host, vm),
    reset: async () => {
      await removeVm(host, vm);
      await defineVm(host, vm, DISKS);
    },
    close: async () => {
      await site.close();
      await host.stop();
    },
  };
}

const declared = {
  source: true,
  target: true,
  boots: true,
  changeTracking: true,
  quiesce: true,
  guestAgent: true,
  isolatedBoot: true,
};

conformance('libvirt', declared, open);
