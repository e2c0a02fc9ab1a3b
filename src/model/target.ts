import type { DiskBus, VmDescription } from './vm.js';

/** What a target has and gives, as its platform says it and as checks judge it. */

/** A disk as it will be at the target. */
export interface PlannedDisk {
  id: string;
  sizeBytes: number;
  format: 'qcow2' | 'raw';
  /** Pool or directory; null for the site's default. */
  storage: string | null;
}

export interface TargetFacts {
  networks: { name: string; isolated: boolean; kind: 'network' | 'bridge' }[];
  /** Those that the site knows of and that can be used. */
  storages: { name: string; path: string; freeBytes: number }[];
  /** One for each storage that was asked about. */
  askedStorages: AskedStorage[];
  vms: { name: string; uuid: string; macs: string[] }[];
  cpus: number;
  /** CPU models that VMs can be given there; null where the site cannot say. */
  cpuModels: readonly string[] | null;
  memoryBytes: number;
  freeMemoryBytes: number;
  firmware: { bios: boolean; uefi: boolean; secureBoot: boolean };
  tpm: boolean;
  /** `kvm` only where a guest was seen to run with it. */
  accelerator: 'kvm' | 'tcg';
  limits: TargetLimits;
}

/** `asked` as in `PlannedDisk.storage`; `name` for people; `path` is the same for two names of one place. */
export type AskedStorage = { asked: string | null; name: string } & (
  { path: string; freeBytes: number } | { problem: string }
);

/** What a platform can build at all, whatever the host: the same for all its sites, so nothing is asked for it. */
export interface TargetLimits {
  /** Virtual CPUs of one VM. */
  cpus: number;
  /** `inWords` follows "the target takes names". */
  name: { pattern: RegExp; mostBytes: number; inWords: string };
  /** By machine type (`VmDescription.machine`): most drives on each bus, CD-ROMs too. A bus that is not there is not given. */
  machines: Readonly<Record<string, Partial<Record<DiskBus, number>>>>;
  /** The machine type of a VM whose own is not known or not among those. */
  machineFor: Readonly<Record<VmDescription['firmware'], string>>;
  largestDiskBytes: Readonly<Record<PlannedDisk['format'], number>>;
  /** Disks are as large as a multiple of this. */
  diskUnitBytes: number;
  /** Logical sector sizes that disks are given. */
  sectorBytes: readonly number[];
  /** The bus of a disk that is on none of the machine's; null where such a disk is refused. */
  otherBus: DiskBus | null;
  nicModels: ModelLimit;
  scsiControllers: ModelLimit;
  displays: ModelLimit;
  sounds: ModelLimit;
  tpmVersions: readonly string[];
}

export interface ModelLimit {
  has: readonly string[];
  /** What any other model becomes; null where the device is left out. */
  otherwise: string | null;
}

/** The machine type that a VM gets at the target. */
export function machineAt(limits: TargetLimits, { machine, firmware }: VmDescription): string {
  return machine !== null && Object.hasOwn(limits.machines, machine) ? machine : limits.machineFor[firmware];
}

/** The bus that a disk gets at the target, of that machine; null where it can get none. */
export function busAt(limits: TargetLimits, machine: string, bus: DiskBus): DiskBus | null {
  return limits.machines[machine]?.[bus] === undefined ? limits.otherBus : bus;
}

/** The model that a device becomes at the target; null where it is left out. */
export function modelAt(limit: ModelLimit, model: string): string | null {
  return limit.has.includes(model) ? model : limit.otherwise;
}

/** `disks on virtio; network cards virtio`. */
export function devicesInWords({ disks, nics }: Pick<VmDescription, 'disks' | 'nics'>): string {
  const buses = disks.map(({ bus, controllerModel }) => (bus === 'scsi' ? (controllerModel ?? bus) : bus));
  const parts = [
    ['disks on', buses],
    ['network cards', nics.map(({ model }) => model)],
  ] as const;
  const said = parts.filter(([, values]) => values.length > 0);
  return said.map(([what, values]) => `${what} ${[...new Set(values)].join(', ')}`).join('; ') || 'no devices';
}
