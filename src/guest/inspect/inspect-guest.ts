import { posix } from 'node:path';
import type { GuestKernel, InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import { applianceTree } from '../appliance-tree.js';
import { shown } from '../config-files.js';
import { pinNics, type Card } from '../nics/pin-nics.js';
import { uuidFstab } from '../fstab.js';
import { shellAssignments } from '../shell-assignments.js';
import { readable } from '../text.js';
import type { GuestTree } from '../tree.js';
import { freeVolumes } from '../volume-devices.js';
import { applicationsOf, guestAgentIn, servicesOf, toolsIn } from './contents.js';
import { busNamesUsed } from './device-names.js';
import { filesystemsOf, layoutsOf, partitionTables, roomOf } from './disks.js';
import { bootsOf } from './boot-loader.js';
import { findKernels } from './kernels.js';
import { osOf } from './os.js';
import { partitionsOf } from './partitions.js';
import { systemPartitions, unifiedIn, type SystemPartitions } from './system-partition.js';
import { windowsState } from './windows.js';

const MOST_MOUNTS = 100;

/**
 * Looks into the guest on an appliance's disks without running or changing anything of it, and leaves its file systems
 * mounted read-only. Everything found comes from outside: counts and lengths are bounded, and what could not be looked
 * at is listed. Hold an appliance that is read-only, or whose disks are overlays.
 * @throws VmferryError `Cancelled`, `Timeout`, `ToolFailed`, `Unreachable` where the appliance is gone.
 */
export async function inspectGuest(
  appliance: Appliance,
  vm: { nics: readonly Card[] },
  signal?: AbortSignal,
): Promise<InspectedGuest> {
  const notSeen: string[] = [];
  const disks = await partitionTables(appliance);
  const partitions = await partitionsOf(appliance);
  const system = await systemPartitions(appliance, partitions);
  const boots = await bootsOf(appliance, system);
  const filesystems = await filesystemsOf(appliance, notSeen);
  const layouts = await layoutsOf(appliance, filesystems, partitions);
  const roots = ((await appliance.maybe(['inspect-os'])) ?? '').split('\n').filter(Boolean);
  const empty = nothingInside();
  const root = roots[0];
  if (root === undefined) {
    if (layouts.includes('luks') || layouts.includes('bitlocker')) notSeen.push('what is encrypted');
    return { ...empty, disks, filesystems, layouts, boots, notSeen };
  }
  const os = await osOf(appliance, root);
  await mount(appliance, root, filesystems, notSeen);
  const tree = applianceTree(appliance);
  const found: InspectedGuest = {
    ...empty,
    ...{ os, systems: roots.length, disks, filesystems, layouts, boots },
    applications: await applicationsOf(appliance, root, notSeen),
    notSeen,
  };
  if (os.kind === 'linux') {
    const name = await prettyName(tree);
    const named = { ...os, productName: name ?? os.productName };
    return { ...found, os: named, ...(await linuxParts(appliance, tree, vm, system, notSeen, signal)) };
  }
  if (os.kind === 'windows') found.windows = await windowsState(appliance, root, notSeen);
  return found;
}

async function linuxParts(
  appliance: Appliance,
  tree: GuestTree,
  vm: { nics: readonly Card[] },
  system: SystemPartitions,
  notSeen: string[],
  signal?: AbortSignal,
): Promise<Partial<InspectedGuest>> {
  const kernels: GuestKernel[] = await findKernels(appliance, tree, system.found.flatMap(unifiedIn), notSeen, signal);
  const nics = await pinNics(tree, vm.nics);
  // Which devices have which UUID is for the conversion to find out; what is noted of other names counts here.
  const said = [...(await uuidFstab(tree, [])).findings, ...(await freeVolumes(tree)).findings];
  return {
    kernels,
    deviceNames: await busNamesUsed(tree),
    tools: await toolsIn(tree),
    guestAgent: await guestAgentIn(tree),
    services: await servicesOf(tree, notSeen),
    pinnedNics: nics.edits.length > 0 ? nics.pinned.map(({ mac, name }) => ({ mac, name })) : [],
    notes: [...nics.findings, ...said.filter(({ id }) => id !== 'guest.fstab-device' && id !== 'guest.lvm-devices')],
  };
}

/** os-release(5); where Debian names its point release elsewhere, libguestfs says only that. */
async function prettyName(tree: GuestTree): Promise<string | null> {
  const text = (await tree.read('/etc/os-release')) ?? (await tree.read('/usr/lib/os-release')) ?? '';
  const name = shellAssignments(text).find(({ key }) => key === 'PRETTY_NAME')?.value;
  return name === undefined ? null : readable(name.slice(0, 200));
}

/** Mounts all that belongs to this system, outer folders first, and measures each. */
async function mount(
  appliance: Appliance,
  root: string,
  filesystems: InspectedGuest['filesystems'],
  notSeen: string[],
): Promise<void> {
  const lines = (await appliance.command(['inspect-get-mountpoints', root])).split('\n').filter(Boolean);
  const mounts = lines.map((line) => {
    const at = line.lastIndexOf(': ');
    return { path: line.slice(0, at), device: line.slice(at + 2) };
  });
  mounts.sort((a, b) => a.path.length - b.path.length);
  for (const { path, device } of mounts.slice(0, MOST_MOUNTS)) {
    // A path that leads upwards would be one of the appliance's own.
    if (!path.startsWith('/') || posix.normalize(path) !== path) {
      notSeen.push(`what is mounted at ${shown(path)}, which is no proper path`);
      continue;
    }
    if ((await appliance.maybe(['mount-ro', device, path])) === null) {
      notSeen.push(`the file system on ${device}, which could not be mounted`);
      continue;
    }
    const filesystem = filesystems.find((each) => each.device === device);
    // What is mounted twice is known by where it was mounted first, such as `/`.
    if (filesystem?.mountpoint === null) Object.assign(filesystem, { mountpoint: path }, await roomOf(appliance, path));
  }
}

function nothingInside(): InspectedGuest {
  return {
    ...{ os: null, systems: 0, disks: [], filesystems: [], layouts: [] },
    boots: { bios: null, uefi: null, uefiFallback: null },
    ...{ kernels: [], deviceNames: [], tools: [], guestAgent: null, services: [], applications: [] },
    ...{ pinnedNics: [], windows: null, notes: [], notSeen: [] },
  };
}
