import { join } from 'node:path';
import { VmferryError } from '../../errors.js';
import { overlayFile, topOf, type OverlayRole } from './state.js';
import { DATA_CLUSTER } from './steps.js';
import { contended, MERGE_TIMEOUT_MS, superseded, TRIES, type ReplicaStore } from './store.js';
import { EXIT, type Step } from './script.js';

/** What a guest runs on: copy-on-write files over a whole replica, and who may still put a domain on them. */

/** Stands in the folder once a migration's cutover is being undone: from then on it defines no domain any more. */
export function tombstone(folder: string, migrationId: string): string {
  return join(folder, `undone-${migrationId}`);
}

/**
 * Makes an overlay for each disk over the last whole, verified pass. Those that are there are kept.
 * @throws VmferryError `Unsafe`; `Superseded` where the cutover was undone.
 */
export async function makeOverlays(
  store: ReplicaStore,
  migrationId: string,
  role: OverlayRole,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  for (let tries = 0; tries < TRIES; tries++) {
    const seen = await store.mustSee(migrationId, signal);
    const { state, folder } = seen;
    if (!state.whole || state.verifiedPass !== state.whole.pass) {
      const what = state.whole ? `pass ${state.whole.pass} is not verified` : 'no pass is whole';
      throw new VmferryError('Unsafe', `cannot put a guest on the replica of ${migrationId}: ${what}`, {
        platform: store.options.platform,
      });
    }
    const steps = state.disks.flatMap((disk): Step[] => {
      const { data } = topOf(state, disk);
      const path = overlayFile(disk, role);
      return [
        ['layer', path, data.path, data.format, DATA_CLUSTER],
        ['sync', path],
      ];
    });
    if (role === 'cutover') steps.unshift(['alive', tombstone(folder, migrationId)]);
    const result = await store.transact(migrationId, folder, { seen: seen.digest, steps, signal });
    if (result.exitCode === EXIT.undone) throw undone(store, migrationId);
    if (result.exitCode === 0) return new Map(state.disks.map((disk) => [disk.id, overlayFile(disk, role)]));
  }
  throw contended(store, migrationId);
}

/** Merges the cutover overlay of one disk of a stopped guest, and the layers below it, into its file. Both stay. */
export async function commitOverlay(
  store: ReplicaStore,
  migrationId: string,
  diskId: string,
  signal?: AbortSignal,
): Promise<void> {
  const { state, digest, folder } = await store.mustSee(migrationId, signal);
  const disk = state.disks.find((each) => each.id === diskId);
  if (!disk) throw new VmferryError('NotFound', `the replica of ${migrationId} has no disk ${diskId}`);
  const steps: Step[] = [['end-exports'], ['commit', overlayFile(disk, 'cutover'), disk.path], ['sync', disk.path]];
  const options = { seen: digest, steps, signal, timeoutMs: MERGE_TIMEOUT_MS };
  if ((await store.transact(migrationId, folder, options)).exitCode !== 0) throw contended(store, migrationId);
}

export async function removeOverlays(
  store: ReplicaStore,
  migrationId: string,
  role: OverlayRole,
  signal?: AbortSignal,
): Promise<void> {
  const seen = await store.see(migrationId, signal);
  if (!seen) return;
  const steps = seen.state.disks.map((disk): Step => ['drop', overlayFile(disk, role)]);
  await store.transact(migrationId, seen.folder, { seen: null, steps, signal });
}

/**
 * Has libvirt define the domain of the cutover, under the replica's lock and only while the cutover was not undone: a try
 * that was given up and still runs must not bring back what `forbidCutover` and what follows it removed.
 * @throws VmferryError `Superseded`, else as `transact`.
 */
export async function defineCutover(
  store: ReplicaStore,
  migrationId: string,
  definition: string,
  uri: string,
  signal?: AbortSignal,
): Promise<void> {
  const { folder } = await store.mustSee(migrationId, signal);
  const steps: Step[] = [
    ['alive', tombstone(folder, migrationId)],
    ['define', uri],
  ];
  const { exitCode } = await store.transact(migrationId, folder, { seen: null, steps, state: definition, signal });
  if (exitCode !== 0) throw undone(store, migrationId);
}

/** From when this returns, no try of this migration's cutover defines a domain, whenever it began. */
export async function forbidCutover(store: ReplicaStore, migrationId: string, signal?: AbortSignal): Promise<void> {
  const seen = await store.see(migrationId, signal);
  if (!seen) return;
  const steps: Step[] = [['touch', tombstone(seen.folder, migrationId)]];
  await store.transact(migrationId, seen.folder, { seen: null, steps, signal });
}

export function undone(store: ReplicaStore, migrationId: string): VmferryError {
  return superseded(store, migrationId, 'its cutover was undone');
}
