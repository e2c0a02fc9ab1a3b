import type { Finding } from '../../model/finding.js';
import type { VmDescription } from '../../model/vm.js';
import type { Appliance } from '../appliance.js';
import type { GuestDevice } from '../bus-names.js';
import { addSerialConsole } from '../console.js';
import { uuidFstab } from '../fstab.js';
import { pinNics } from '../nics/pin-nics.js';
import { withEdits, type Edit, type GuestTree } from '../tree.js';
import { freeVolumes } from '../volume-devices.js';
import { applyEdits } from './apply-edits.js';
import { removeOldTools, type PackagesOf } from './old-tools.js';

/**
 * The light conversion of a Linux guest whose file systems are mounted for writing: names of network cards and disks that
 * hold on other devices and, unless only these are asked for, a serial console, and no tools of the old platform.
 */
export async function convertLightly(
  appliance: Appliance,
  tree: GuestTree,
  { nics }: VmDescription,
  devices: readonly GuestDevice[],
  guest: PackagesOf,
  { seen, onlyDevices = false }: { seen: readonly { name: string; mac: string }[]; onlyDevices?: boolean },
): Promise<{ changes: string[]; findings: Finding[] }> {
  const pins = await pinNics(tree, nics, { seen });
  const pinned = withEdits(tree, pins.edits);
  const fstab = await uuidFstab(pinned, devices);
  const volumes = await freeVolumes(pinned);
  const console = onlyDevices ? NOTHING : await addSerialConsole(withEdits(pinned, fstab.edits));
  const edits = [...pins.edits, ...fstab.edits, ...volumes.edits, ...console.edits];
  await applyEdits(appliance, lastOf(edits));
  const removed = onlyDevices ? NOTHING : await removeOldTools(appliance, tree, guest);
  const changes = [
    ...pins.pinned.filter(() => pins.edits.length > 0).map(({ name, mac }) => `network card ${name} held to ${mac}`),
    ...pins.renewed.map(({ path, from, to }) => `${path}: network card ${from} found by its new address ${to}`),
    ...paths(fstab.edits).map((path) => `${path}: disks named by UUID`),
    ...paths(volumes.edits.filter(({ text }) => text === null)).map((path) => `${path}: put aside`),
    ...paths(console.edits).map((path) => `${path}: console on the serial port`),
    ...removed.changes,
  ];
  const findings = [pins, fstab, volumes, console, removed].flatMap((each) => each.findings);
  return { changes, findings };
}

const NOTHING = { edits: [], changes: [], findings: [] };

/** Each file once, as the last edit leaves it. */
function lastOf(edits: readonly Edit[]): Edit[] {
  return [...new Map(edits.map((edit) => [edit.path, edit])).values()];
}

function paths(edits: readonly Edit[]): string[] {
  return [...new Set(edits.map(({ path }) => path))];
}
