import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { VmferryError } from '../../errors.js';
import type { GuestDisk } from '../../model/guest-disks.js';
import type { ReplicaState } from '../platform.js';
import {
  conversionFile,
  digestOf,
  foldersOf,
  overlayFile,
  topOf,
  unfinishedOverlay,
  type OverlayRole,
  type ReplicaDisk,
} from './state.js';
import { DATA_CLUSTER } from './steps.js';
import { contended, MERGE_TIMEOUT_MS, superseded, TRIES, type ReplicaStore, type Seen } from './store.js';
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
    const seen = await seeVerified(store, migrationId, signal);
    const { state, folder } = seen;
    const steps = state.disks.flatMap((disk) => makeOverlay(state, disk, overlayFile(disk, role)));
    if (role === 'cutover') steps.unshift(['alive', tombstone(folder, migrationId)]);
    const result = await store.transact(migrationId, folder, { seen: seen.digest, steps, signal });
    if (result.exitCode === EXIT.undone) throw undone(store, migrationId);
    if (result.exitCode === 0) return new Map(state.disks.map((disk) => [disk.id, overlayFile(disk, role)]));
  }
  throw contended(store, migrationId);
}

/** See `TargetSite.convert`. */
export async function convertOverlays<T>(
  store: ReplicaStore,
  migrationId: string,
  role: OverlayRole,
  result: z.ZodType<T>,
  convert: (disks: readonly GuestDisk[]) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    const seen = await seeVerified(store, migrationId, signal);
    const { state, folder } = seen;
    const done = conversionFile(folder, role);
    const before = await readConversion(store, done, result, signal);
    if (before !== null) return before;
    const nonce = randomBytes(4).toString('hex');
    const disks = state.disks.map((disk) => ({
      id: disk.id,
      path: unfinishedOverlay(disk, role, nonce),
      format: 'qcow2' as const,
    }));
    const guard: Step[] = [
      ...(role === 'cutover' ? [['alive', tombstone(folder, migrationId)] as const] : []),
      ['absent', done],
    ];
    const begin: Step[] = [
      ...guard,
      // Also what another try is at work on: it finds so at its end.
      ...dropOverlays(state, role),
      ...state.disks.flatMap((disk) => makeOverlay(state, disk, unfinishedOverlay(disk, role, nonce))),
    ];
    const begun = await store.transact(migrationId, folder, { seen: seen.digest, steps: begin, signal });
    if (begun.exitCode === EXIT.undone) throw undone(store, migrationId);
    if (begun.exitCode !== 0) continue;
    const converted = await convert(disks);
    const text = `${JSON.stringify(converted)}\n`;
    const end: Step[] = [
      ...guard,
      ...disks.map(({ path }): Step => ['need', path]),
      ...state.disks.flatMap((disk): Step[] => [
        ['sync', unfinishedOverlay(disk, role, nonce)],
        ['move', unfinishedOverlay(disk, role, nonce), overlayFile(disk, role)],
      ]),
      ['keep', done, digestOf(text)],
    ];
    const ended = await store.transact(migrationId, folder, { seen: null, steps: end, state: text, signal });
    if (ended.exitCode === EXIT.undone) throw undone(store, migrationId);
    if (ended.exitCode === EXIT.missing) throw superseded(store, migrationId, 'another try converts the guest');
    if (ended.exitCode === 0) return converted;
  }
  throw contended(store, migrationId);
}

/** Whether the overlays of a role hold a converted guest. */
export async function isConverted(
  store: ReplicaStore,
  migrationId: string,
  role: OverlayRole,
  signal?: AbortSignal,
): Promise<boolean> {
  const seen = await store.see(migrationId, signal);
  return (
    seen !== null && (await readConversion(store, conversionFile(seen.folder, role), z.unknown(), signal)) !== null
  );
}

/** What an earlier try returned; null where none is whole. */
async function readConversion<T>(store: ReplicaStore, path: string, result: z.ZodType<T>, signal?: AbortSignal) {
  const { stdout, exitCode } = await store.options.host.run('cat', ['--', path], { okExitCodes: [0, 1], signal });
  return exitCode === 0 ? result.parse(JSON.parse(stdout)) : null;
}

/** @throws VmferryError `Unsafe` where the last pass is not whole or not verified. */
async function seeVerified(store: ReplicaStore, migrationId: string, signal?: AbortSignal): Promise<Seen> {
  const seen = await store.mustSee(migrationId, signal);
  const { whole, verifiedPass } = seen.state;
  if (whole && verifiedPass === whole.pass) return seen;
  const what = whole ? `pass ${whole.pass} is not verified` : 'no pass is whole';
  throw new VmferryError('Unsafe', `cannot put a guest on the replica of ${migrationId}: ${what}`, {
    platform: store.options.platform,
  });
}

function makeOverlay(state: ReplicaState, disk: ReplicaDisk, path: string): Step[] {
  const { data } = topOf(state, disk);
  return [
    ['layer', path, data.path, data.format, DATA_CLUSTER],
    ['sync', path],
  ];
}

function dropOverlays(state: ReplicaState, role: OverlayRole): Step[] {
  return foldersOf(state).map((folder): Step => ['drop-overlays', folder, role]);
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
  const steps: Step[] = [['drop', conversionFile(seen.folder, role)], ...dropOverlays(seen.state, role)];
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
