import type { VmDescription, VmDisk } from '../../../src/model/vm.js';

/** A plain VM, to be changed a little by each test. */

export const DISK: VmDisk = {
  id: 'vda',
  bus: 'virtio',
  order: 0,
  sizeBytes: 2 ** 30,
  format: 'qcow2',
  path: '/source/vda.qcow2',
  serial: 'WD-1234',
  bootOrder: null,
  allocatedBytes: null,
  changeTracking: true,
  discard: true,
  controllerModel: null,
};
export const VM: VmDescription = {
  name: 'web01',
  uuid: '6f1b1a52-0f0b-4a55-a1f7-0c1f6c7b2a11',
  firmware: 'bios',
  secureBoot: false,
  tpm: null,
  memoryBytes: 2 ** 28,
  cpu: { count: 4, sockets: 1, coresPerSocket: 2, threadsPerCore: 2, model: 'host-passthrough' },
  disks: [DISK],
  removable: [],
  nics: [{ mac: '52:54:00:11:22:33', network: 'lan', networkKind: 'network', model: 'virtio' }],
  display: 'vga',
  sound: null,
  guestOs: null,
  machine: 'pc',
  serialPorts: 1,
  guestAgentChannel: true,
  clock: 'utc',
  rng: true,
  nvramPath: null,
  findings: [],
};
