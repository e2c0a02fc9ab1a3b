import { VmferryError } from '../errors.js';
import type { Abilities } from '../model/abilities.js';
import type { ConversionWish } from '../model/conversion.js';
import { asGiven, givesVirtio, sameDevices, wishedDevices } from '../model/devices.js';
import { FORMATS_OF, type PackagePlan } from '../model/package.js';
import type { PlannedDisk, TargetFacts, TargetLimits } from '../model/target.js';
import type { VmDescription } from '../model/vm.js';
import type { MigrateVmRequest } from '../request/migrate-vm.js';
import { parseSizeBytes } from '../request/units.js';

/** What of a described VM goes where, as a request asks for it. */
export interface Plan {
  /** As it shall be at the target: without the disks left behind, with the CPUs and the memory asked for. */
  description: VmDescription;
  disks: PlannedDisk[];
  /** Source network -> target network, complete. */
  networks: Record<string, string>;
  /** What is written at a target that runs no VMs; null at one that does. */
  package: PackagePlan | null;
  /** Null where the guest is left alone: it finds there what it has here, or it is not started there. */
  conversion: ConversionWish | null;
}

/** What a plan has to know of the target. */
type Place = Pick<TargetFacts, 'networks' | 'limits'> &
  Pick<Abilities, 'boots'> & {
    /** Whether source and target give their VMs the same devices at the same places. */
    samePlatform: boolean;
    /** What a package can describe. Default: `limits`, whatever its kind. */
    packageLimits?: (plan: PackagePlan) => TargetLimits;
  };

/**
 * @throws VmferryError `InvalidRequest` for a disk or a network that is not there, where no disk is left to copy, and for a
 * package that cannot be as asked.
 */
export function planMove(found: VmDescription, target: Place, request: MigrateVmRequest): Plan {
  const planned = target.boots ? null : planPackage(request);
  const disks = planDisks(found, request, planned);
  const networks = mapNetworks(found, target, request);
  const description = asWished(found, request, disks);
  const conversion = planned
    ? packagedWish(description, planned, target.packageLimits?.(planned) ?? target.limits, request)
    : conversionWish(description, target, request);
  return { description, disks, networks, package: planned, conversion };
}

function conversionWish(
  vm: VmDescription,
  { limits, samePlatform }: Place,
  { devices, conversion }: MigrateVmRequest,
): ConversionWish | null {
  const given = asGiven(vm, limits) !== null;
  const wish = devices === 'auto' ? (samePlatform && given ? 'as-source' : 'virtio') : devices;
  const unchanged = given && sameDevices(wishedDevices(vm, limits, wish), vm);
  // Other makers put the same devices at other places, by which guests name network cards.
  if (unchanged && conversion !== 'full' && (samePlatform || conversion === 'none')) return null;
  return { devices: wish, most: conversion };
}

/**
 * In a package the guest stays as it is unless a conversion is asked for: nothing shows there that it did well. So `auto` is
 * none. @throws VmferryError `InvalidRequest` where the package has no such devices, or the guest would not be made fit.
 */
function packagedWish(
  vm: VmDescription,
  { kind }: PackagePlan,
  limits: TargetLimits,
  { devices, conversion: most }: MigrateVmRequest,
): ConversionWish | null {
  const virtio = givesVirtio(limits, vm);
  const refuse = (what: string, remedy: string) => new VmferryError('InvalidRequest', `cannot ${what}`, { remedy });
  const converts = most === 'light' || most === 'full';
  if (devices === 'virtio' && !virtio)
    throw refuse(
      `describe virtio in a package of the kind ${kind}: it has no word for such devices`,
      'Leave `devices` out, or ask for the package "libvirt-xml".',
    );
  if (devices === 'as-source' && asGiven(vm, limits) === null)
    throw refuse(
      `keep the devices of ${vm.name} in a package of the kind ${kind}: it has no word for them`,
      'Leave `devices` out to have them described as the nearest that it has.',
    );
  if (most === 'full' && !virtio)
    throw refuse(
      `convert a guest in full for a package of the kind ${kind}: virt-v2v gives drivers for virtio only`,
      'Ask for "conversion": "light".',
    );
  if (devices === 'virtio' && !converts && !sameDevices(wishedDevices(vm, limits, devices), vm))
    throw refuse(
      `describe ${vm.name} with virtio and leave its guest as it is`,
      'Ask for "conversion": "light" or "full" as well.',
    );
  if (!converts) return null;
  return { devices: devices === 'virtio' ? 'virtio' : 'as-source', most, ...(virtio ? {} : { onlyDevices: true }) };
}

/** Where disks may be asked to go. The site's default is asked for even where no disk goes there: it costs nothing. */
export function storagesOf({
  storage,
  diskStorage,
}: Pick<MigrateVmRequest, 'storage'> & Partial<Pick<MigrateVmRequest, 'diskStorage'>>): (string | null)[] {
  return [storage ?? null, ...Object.values(diskStorage ?? {})];
}

/** @throws VmferryError `InvalidRequest` for a network that the target does not have, naming those that it has. */
export function checkNetworks(
  { networks, rehearsal, target }: Pick<MigrateVmRequest, 'networks' | 'rehearsal' | 'target'>,
  facts: Pick<Place, 'networks' | 'boots'>,
): void {
  // Where nothing is plugged in, a network is a name that is written down.
  if (!facts.boots) return;
  const known = facts.networks.map((network) => network.name);
  const asked = [...Object.values(networks), ...(rehearsal.network === undefined ? [] : [rehearsal.network])];
  const wrong = asked.filter((name) => !known.includes(name));
  if (wrong.length === 0) return;
  throw new VmferryError(
    'InvalidRequest',
    `cannot find network ${wrong.map((name) => `"${name}"`).join(', ')} at ${target}`,
    { remedy: `Networks there: ${known.join(', ') || 'none'}.` },
  );
}

/** The package that a target of files gets. @throws VmferryError `InvalidRequest` for disks that an OVA does not hold. */
export function planPackage({
  package: kind = 'ova',
  diskFormat,
}: Pick<MigrateVmRequest, 'package' | 'diskFormat'>): PackagePlan {
  const formats = FORMATS_OF[kind];
  const format = diskFormat ?? formats[0];
  if (formats.includes(format)) return { kind, diskFormat: format };
  throw new VmferryError('InvalidRequest', `cannot write ${format} disks into a package of the kind ${kind}`, {
    remedy: `It takes a diskFormat of ${formats.join(', ')}; the others go with the packages ovf or images.`,
  });
}

/** The format of disks that VMs run on. @throws VmferryError `InvalidRequest`. */
function formatOf({ diskFormat = 'qcow2', package: kind, target }: MigrateVmRequest): PlannedDisk['format'] {
  if (kind !== undefined) {
    throw new VmferryError('InvalidRequest', `cannot write a package (${kind}) at ${target}: it runs the VMs itself`, {
      remedy: 'Leave `package` out, or name a site of the platform files that is a directory.',
    });
  }
  if (diskFormat === 'qcow2' || diskFormat === 'raw') return diskFormat;
  throw new VmferryError('InvalidRequest', `cannot use ${diskFormat} disks at ${target}: it takes qcow2 and raw`, {
    remedy: 'Other formats are written at a site of the platform files that is a directory.',
  });
}

function planDisks(vm: VmDescription, request: MigrateVmRequest, planned: PackagePlan | null): PlannedDisk[] {
  // A package is made of a replica in the format that keeps layers.
  const format = planned ? 'qcow2' : formatOf(request);
  const known = vm.disks.map((disk) => disk.id);
  const unknown = [...request.excludeDisks, ...Object.keys(request.diskStorage)].filter((id) => !known.includes(id));
  if (unknown.length > 0) {
    throw new VmferryError(
      'InvalidRequest',
      `cannot find disk ${unknown.map((id) => `"${id}"`).join(', ')} of ${vm.name}`,
      { remedy: `Its disks are: ${known.join(', ')}.` },
    );
  }
  const disks = vm.disks
    .filter((disk) => !request.excludeDisks.includes(disk.id))
    .map((disk) => ({
      id: disk.id,
      sizeBytes: disk.sizeBytes,
      format,
      storage: request.diskStorage[disk.id] ?? request.storage ?? null,
    }));
  if (disks.length === 0)
    throw new VmferryError('InvalidRequest', `cannot migrate ${vm.name}: no disk is left to copy`);
  return disks;
}

function asWished(vm: VmDescription, request: MigrateVmRequest, disks: PlannedDisk[]): VmDescription {
  const cpu =
    request.cpus && request.cpus !== vm.cpu.count
      ? { ...vm.cpu, count: request.cpus, sockets: request.cpus, coresPerSocket: 1, threadsPerCore: 1 }
      : vm.cpu;
  return {
    ...vm,
    cpu,
    memoryBytes: request.memory ? parseSizeBytes(request.memory)! : vm.memoryBytes,
    disks: vm.disks.filter((disk) => disks.some((planned) => planned.id === disk.id)),
    findings: [],
  };
}

function mapNetworks(
  vm: VmDescription,
  facts: Pick<Place, 'networks' | 'boots'>,
  request: MigrateVmRequest,
): Record<string, string> {
  checkNetworks(request, facts);
  const sources = vm.nics.map((nic) => nic.network);
  const idle = Object.keys(request.networks).filter((name) => !sources.includes(name));
  if (idle.length > 0) {
    throw new VmferryError(
      'InvalidRequest',
      `cannot map network ${idle.map((name) => `"${name}"`).join(', ')}: ${vm.name} has no such network`,
      {
        remedy: `It is on: ${sources.join(', ') || 'none'}.`,
      },
    );
  }
  return Object.fromEntries(sources.map((name) => [name, request.networks[name] ?? name]));
}
