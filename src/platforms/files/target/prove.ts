import { compareDisks, Manifest, verifyReplica, type BlockReader } from '../../../blocks/index.js';
import { VmferryError } from '../../../errors.js';
import type { PackagePlan } from '../../../model/package.js';
import type { ProbeResult } from '../../../model/status.js';
import type { VmDescription } from '../../../model/vm.js';
import type { OpenReplicaDisk, TargetVm, WorkInPackage } from '../../platform.js';
import { isConverted } from '../../replica/overlays.js';
import { overlayFile, type Image } from '../../replica/state.js';
import type { FilesConnection } from '../connect.js';
import { described, withMachine } from '../describe.js';
import { exportOwn } from '../export.js';
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
  const { folder, state } = await store.mustSee(migrationId, work.signal);
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
  const proveAll = async (origin: (id: string) => Origin) => {
    for (const { id, sizeBytes } of exported.disks) {
      const place = places.get(id);
      const wanted = { id, sizeBytes, compare: origin(id) };
      results.push(place ? await diskAlike(here, vm, place, wanted, work) : notThere(id));
    }
  };
  if (await isConverted(store, migrationId, 'cutover', work.signal)) {
    const overlay = (id: string) =>
      overlayFile(
        state.disks.find((each) => each.id === id)!,
        'cutover',
      );
    await proveAll((id) => likeConverted({ path: overlay(id), format: 'qcow2' }));
    return results;
  }
  const replica = await store.openForVerify(migrationId, work.signal);
  try {
    await proveAll((id) => likeReplica(replica.disks, id));
  } finally {
    await replica.close();
  }
  return results;
}

/** Compares a disk of the package with what it was made of. */
type Origin = (
  reader: BlockReader,
  options: Parameters<typeof compareDisks>[2],
) => Promise<{ passed: boolean; detail: string }>;

/** Every leaf with the digest that stands in the replica's manifest. */
function likeReplica(disks: readonly OpenReplicaDisk[], id: string): Origin {
  return async (reader, options) => {
    const manifest = new Manifest(disks.find((each) => each.id === id)!.manifest, reader.sizeBytes);
    const { passed, mismatches, unknown } = await verifyReplica({ replica: reader, manifest, ...options });
    const detail = passed
      ? `read back, it holds what the replica does: root digest ${await manifest.rootDigest(options?.signal)}`
      : `${mismatches} blocks of 64 KiB differ from the replica, ${unknown} are not known`;
    return { passed, detail };
  };
}

/** What a conversion changed has no digest, so that both are read. */
function likeConverted(overlay: Image): Origin {
  return async (reader, options) => {
    const converted = await exportOwn(overlay, options?.signal);
    try {
      const differing = await compareDisks(converted.reader, reader, options);
      if (differing > 0)
        return { passed: false, detail: `${differing} blocks of 64 KiB differ from the converted guest` };
      return { passed: true, detail: 'read back, it holds what the replica does with the guest converted' };
    } finally {
      await converted.close();
    }
  };
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

async function diskAlike(
  here: FilesConnection,
  vm: TargetVm,
  place: Place,
  { id, sizeBytes, compare }: { id: string; sizeBytes: number; compare: Origin },
  { onProgress, signal }: WorkInPackage,
): Promise<ProbeResult> {
  const began = performance.now();
  const result = (passed: boolean, detail: string): ProbeResult => {
    const tookMs = Math.round(performance.now() - began);
    return { probe: `package: disk ${id}`, passed, required: true, tookMs, detail };
  };
  try {
    const disk = place.id || (await readMachine(here, place.machine, signal)).disks[0]!.id;
    const request = { owner: vm.owner, vm: place.machine, disks: [disk], checkpoint: 'read-back', since: null };
    // With the digests of the package's own manifest, if it has one.
    const point = await openPoint(here, { ...request, quiesce: 'never' }, signal);
    try {
      const { reader } = point.disks[0]!;
      if (reader.sizeBytes !== sizeBytes)
        return result(false, `it has ${reader.sizeBytes} bytes, and should ${sizeBytes}`);
      const { passed, detail } = await compare(reader, {
        onProgress: ({ doneBytes, totalBytes }) => onProgress(id, doneBytes, totalBytes),
        ...(signal ? { signal } : {}),
      });
      return result(passed, detail);
    } finally {
      await point.end();
    }
  } catch (error) {
    if (error instanceof VmferryError && error.code === 'HostileInput') return result(false, error.message);
    throw error;
  }
}
