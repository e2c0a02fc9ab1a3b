import { Manifest, verifyReplica } from '../../../blocks/index.js';
import { VmferryError } from '../../../errors.js';
import type { PackagePlan } from '../../../model/package.js';
import type { ProbeResult } from '../../../model/status.js';
import type { VmDescription } from '../../../model/vm.js';
import type { OpenReplica, OpenReplicaDisk, TargetVm, WorkInPackage } from '../../platform.js';
import type { FilesConnection } from '../connect.js';
import { described, withMachine } from '../describe.js';
import { openRoot, packagesOf } from '../machines.js';
import { openPoint } from '../point.js';
import { differences } from './differences.js';
import { exportedVm } from './exported-vm.js';
import { finished } from './layout.js';
import type { FilesTarget } from './tools.js';

/** A package read back by the same code that reads those of other makers. */

/** A disk of the package: the machine that it is of when it is read, and its id there. */
interface Place {
  machine: string;
  id: string;
}

/** See `Packaging.prove`. */
export async function provePackage(
  { at, store }: FilesTarget,
  vm: TargetVm,
  plan: PackagePlan,
  work: WorkInPackage,
): Promise<ProbeResult[]> {
  const { migrationId } = vm.owner;
  const { folder } = await store.mustSee(migrationId, work.signal);
  const here: FilesConnection = { ...at, config: { ...at.config, path: finished(folder) }, address: finished(folder) };
  const exported = exportedVm(vm.description, vm, plan);
  const results: ProbeResult[] = [];
  const places = new Map<string, Place>();
  if (plan.kind === 'images') {
    const machines = await machinesAt(here, work.signal);
    exported.disks.forEach(({ id }, index) => {
      const machine = machines[index];
      if (machine !== undefined) places.set(id, { machine, id: '' });
    });
  } else {
    const [machine] = await machinesAt(here, work.signal);
    const began = performance.now();
    const found = machine === undefined ? null : await readMachine(here, machine, work.signal);
    results.push(describedAlike(exported, found, began));
    // As they are booted from, on both sides.
    const ordered = [...(found?.disks ?? [])].sort((a, b) => a.order - b.order);
    exported.disks.forEach(({ id }, index) => {
      const disk = ordered[index];
      if (machine !== undefined && disk) places.set(id, { machine, id: disk.id });
    });
  }
  const replica = await store.openForVerify(migrationId, work.signal);
  try {
    for (const { id } of exported.disks) {
      const place = places.get(id);
      results.push(place ? await diskAlike(here, vm, place, id, replica, work) : notThere(id));
    }
  } finally {
    await replica.close();
  }
  return results;
}

/** In the order of their files, by which the disks of a package of images are numbered. */
async function machinesAt(here: FilesConnection, signal?: AbortSignal): Promise<string[]> {
  const { root, only } = await openRoot(here);
  try {
    const found = [...(await packagesOf(root, only, signal))];
    return found.sort(([, a], [, b]) => a.localeCompare(b, 'en', { numeric: true })).map(([name]) => name);
  } finally {
    await root.close();
  }
}

function readMachine(here: FilesConnection, name: string, signal?: AbortSignal): Promise<VmDescription> {
  return withMachine(here, name, (machine) => described(here, machine, signal), signal);
}

function describedAlike(exported: VmDescription, found: VmDescription | null, began: number): ProbeResult {
  const wrong = found === null ? ['there is no machine in it'] : differences(exported, found);
  return {
    probe: 'package: description',
    passed: wrong.length === 0,
    required: true,
    tookMs: Math.round(performance.now() - began),
    detail: wrong.length === 0 ? 'read back, it describes the same machine' : wrong.join('; '),
  };
}

function notThere(id: string): ProbeResult {
  return { probe: `package: disk ${id}`, passed: false, required: true, tookMs: 0, detail: 'it has no such disk' };
}

/** Compares every leaf of the package's disk with the digest that stands in the replica's manifest. */
async function diskAlike(
  here: FilesConnection,
  vm: TargetVm,
  place: Place,
  id: string,
  replica: OpenReplica,
  { onProgress, signal }: WorkInPackage,
): Promise<ProbeResult> {
  const began = performance.now();
  const result = (passed: boolean, detail: string): ProbeResult => {
    const tookMs = Math.round(performance.now() - began);
    return { probe: `package: disk ${id}`, passed, required: true, tookMs, detail };
  };
  const { sizeBytes } = replica.state.disks.find((each) => each.id === id)!;
  const manifest = manifestOf(replica.disks, id, sizeBytes);
  try {
    const disk = place.id || (await readMachine(here, place.machine, signal)).disks[0]!.id;
    const request = { owner: vm.owner, vm: place.machine, disks: [disk], checkpoint: 'read-back', since: null };
    // With the digests of the package's own manifest, if it has one.
    const point = await openPoint(here, { ...request, quiesce: 'never' }, signal);
    try {
      const { reader } = point.disks[0]!;
      if (reader.sizeBytes !== sizeBytes)
        return result(false, `it has ${reader.sizeBytes} bytes, and should ${sizeBytes}`);
      const { passed, mismatches, unknown } = await verifyReplica({
        replica: reader,
        manifest,
        onProgress: ({ doneBytes, totalBytes }) => onProgress(id, doneBytes, totalBytes),
        ...(signal ? { signal } : {}),
      });
      if (!passed)
        return result(false, `${mismatches} blocks of 64 KiB differ from the replica, ${unknown} are not known`);
      return result(
        true,
        `read back, it holds what the replica does: root digest ${await manifest.rootDigest(signal)}`,
      );
    } finally {
      await point.end();
    }
  } catch (error) {
    if (error instanceof VmferryError && error.code === 'HostileInput') return result(false, error.message);
    throw error;
  }
}

function manifestOf(disks: readonly OpenReplicaDisk[], id: string, sizeBytes: number): Manifest {
  return new Manifest(disks.find((each) => each.id === id)!.manifest, sizeBytes);
}
