import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { Host } from '../../exec/host.js';
import type { OpenReplica, ReplicaSpec, ReplicaState } from '../platform.js';
import { sameReplica, writePlan } from './create.js';
import { findReplica } from './find.js';
import { openExports, type OpenStore } from './open.js';
import { digestOf, foldersOf, manifestBytes, parseState, plannedState, stateText, topOf, workFolder } from './state.js';
import { dropLayer, exportsOf, filesOf, makeLayer, put, readExportsOf } from './steps.js';
import { EXIT, transact, type Step, type Transaction } from './script.js';

export const MERGE_TIMEOUT_MS = 12 * 3_600_000;
/** Tries at changing a state file that somebody else changes too. */
export const TRIES = 8;

export interface ReplicaStoreOptions {
  host: Host;
  /** The site's, for errors and for kinds of resources. */
  platform: string;
  /** The directory of a pool or path; the site's default for null. */
  storageDir(storage: string | null, signal?: AbortSignal): Promise<string>;
  /** Sockets of exports: short, since a socket's path has at most 107 bytes (unix(7)). */
  runtimeDir: string;
  openStore: OpenStore;
  /** The file that lists every directory where a replica was ever put. */
  registry: string;
}

/** A state file as it was read. */
export type Seen = { state: ReplicaState; text: string; digest: string; folder: string };

/** Replicas at a site: files, layers, the state file and the one writer's lock. Every call may be repeated. */
export class ReplicaStore {
  constructor(readonly options: ReplicaStoreOptions) {}

  /** Creates empty disks and manifests. @throws VmferryError `NoSpace`, `Conflict`. */
  async create(spec: ReplicaSpec, signal?: AbortSignal): Promise<ReplicaState> {
    const { migrationId } = spec.owner;
    const planned = await this.plan(spec, signal);
    const there = await this.read(migrationId, signal);
    if (there) return sameReplica(this, there, planned);
    const folder = await this.folder(migrationId, signal);
    await writePlan(this, folder, planned, signal);
    const result = await this.transact(migrationId, folder, {
      seen: null,
      steps: [
        // Another try may have been quicker: its state file stands, and ours must not empty its disks.
        ['absent', join(folder, 'replica.json')],
        ...foldersOf(planned).map((path): Step => ['folder', path]),
        ...planned.disks.flatMap((disk): Step[] => [
          ['disk', disk.path, disk.format, String(disk.sizeBytes)],
          ['disk', disk.manifestPath, 'raw', String(manifestBytes(disk.sizeBytes))],
          ['sync', disk.path],
          ['sync', disk.manifestPath],
          ['sync', dirname(disk.path)],
          ['sync', dirname(disk.manifestPath)],
        ]),
        put(planned),
      ],
      state: stateText(planned),
      signal,
    });
    if (result.exitCode !== 0) return this.create(spec, signal);
    return planned;
  }

  /** The state of a whole or half-seeded replica; null where there is none (or its creation never ended). */
  async read(migrationId: string, signal?: AbortSignal): Promise<ReplicaState | null> {
    return (await this.see(migrationId, signal))?.state ?? null;
  }

  /** See `TargetSite.openReplica`. */
  async open(migrationId: string, pass: number, attempt: number, signal?: AbortSignal): Promise<OpenReplica> {
    const nonce = randomBytes(8).toString('hex');
    let fresh = false;
    for (let tries = 0; tries < TRIES; tries++) {
      const seen = await this.mustSee(migrationId, signal);
      const { state } = seen;
      if (state.whole && state.whole.pass >= pass) {
        throw superseded(this, migrationId, `pass ${pass} is whole already`);
      }
      const seed = state.whole === null;
      const resumed = state.torn !== null && (seed || state.torn.pass === pass) && !fresh;
      const torn = resumed && state.torn ? { ...state.torn, pass } : { pass, points: [], marked: null };
      const next: ReplicaState = { ...state, torn };
      const steps: Step[] = [['take', String(pass), String(attempt), nonce]];
      if (!seed) {
        if (!resumed) steps.push(...dropLayer(state, state.torn?.pass), ...dropLayer(state, pass));
        if (resumed) for (const file of filesOf(state, pass)) steps.push(['need', file]);
      }
      // Before the new layer: a state that says `marked` must never meet a manifest that nobody marked.
      if (stateText(next) !== seen.text) steps.push(put(next));
      if (!seed && !resumed) steps.push(...makeLayer(state, pass));
      steps.push(...exportsOf(state, seed ? null : pass));
      const result = await this.transact(migrationId, seen.folder, {
        seen: seen.digest,
        steps,
        state: stateText(next),
        signal,
      });
      if (result.exitCode === EXIT.superseded) throw superseded(this, migrationId, 'a newer attempt writes it');
      if (result.exitCode === EXIT.missing) fresh = true;
      if (result.exitCode !== 0) continue;
      return openExports(this.writer(migrationId, seen.folder, nonce), next, { readOnly: false, note: null, signal });
    }
    throw contended(this, migrationId);
  }

  /** See `TargetSite.openForVerify`. */
  async openForVerify(migrationId: string, signal?: AbortSignal): Promise<OpenReplica> {
    const nonce = randomBytes(8).toString('hex');
    for (let tries = 0; tries < TRIES; tries++) {
      const seen = await this.mustSee(migrationId, signal);
      const { state } = seen;
      if (!state.whole) {
        throw new VmferryError('Unsafe', `cannot verify the replica of ${migrationId}: no pass is whole yet`);
      }
      const steps: Step[] = [['seize', nonce], ...readExportsOf(state)];
      const result = await this.transact(migrationId, seen.folder, { seen: seen.digest, steps, signal });
      if (result.exitCode !== 0) continue;
      const note = result.stdout.includes('no-direct')
        ? 'The file system of the target knows no direct reads: what is verified may come from its memory.'
        : null;
      return openExports(this.writer(migrationId, seen.folder, nonce), state, { readOnly: true, note, signal });
    }
    throw contended(this, migrationId);
  }

  async noteVerified(migrationId: string, pass: number, signal?: AbortSignal): Promise<void> {
    await this.change(migrationId, (state) => (state.whole?.pass === pass ? { ...state, verifiedPass: pass } : state), {
      signal,
    });
  }

  /** Merges all sealed layers into replica and manifest; waits (does nothing) while an overlay or a torn pass stands on them. */
  async merge(migrationId: string, signal?: AbortSignal): Promise<void> {
    const merged = (state: ReplicaState): ReplicaState => (state.torn ? state : { ...state, layers: [] });
    await this.change(migrationId, merged, {
      signal,
      before: (state) => [
        ...foldersOf(state).map((folder): Step => ['standing', folder]),
        ['end-exports'],
        ...state.disks.flatMap((disk): Step[] => {
          const top = topOf(state, disk);
          return [
            ['commit', top.data.path, disk.path],
            ['commit', top.manifest.path, disk.manifestPath],
            ['sync', disk.path],
            ['sync', disk.manifestPath],
          ];
        }),
      ],
      after: (state) => state.layers.flatMap((layer) => dropLayer(state, layer.pass)),
      timeoutMs: MERGE_TIMEOUT_MS,
    });
  }

  async discardTorn(migrationId: string, signal?: AbortSignal): Promise<void> {
    const torn = (state: ReplicaState) => (state.whole && state.torn ? state.torn.pass : undefined);
    await this.change(
      migrationId,
      (state) => (torn(state) === undefined ? state : { ...state, torn: null }),
      // Order: the state first, so that it never names files that are gone.
      { signal, before: () => [['end-exports']], after: (state) => dropLayer(state, torn(state)) },
    );
  }

  /** The folder for a new replica, in the site's default storage: state file, lock, evidence. */
  async folder(migrationId: string, signal?: AbortSignal): Promise<string> {
    return workFolder(await this.options.storageDir(null, signal), migrationId);
  }

  /** The state of the replica that this asks for. */
  async plan(spec: ReplicaSpec, signal?: AbortSignal): Promise<ReplicaState> {
    const dirs = new Map<string, string>();
    for (const disk of spec.disks) dirs.set(disk.id, await this.options.storageDir(disk.storage, signal));
    return plannedState(spec, dirs);
  }

  async see(migrationId: string, signal?: AbortSignal): Promise<Seen | null> {
    const found = await findReplica(this, migrationId, signal);
    if (found?.file !== 'replica.json') return null;
    const { folder, text } = found;
    return { state: parseState(text, join(folder, found.file)), text, digest: digestOf(text), folder };
  }

  async mustSee(migrationId: string, signal?: AbortSignal): Promise<Seen> {
    const seen = await this.see(migrationId, signal);
    if (seen) return seen;
    const { platform } = this.options;
    throw new VmferryError('NotFound', `there is no replica of migration ${migrationId}`, { platform });
  }

  /** Changes the state file; does nothing where `change` gives the same state. */
  private async change(
    migrationId: string,
    change: (state: ReplicaState) => ReplicaState,
    options: {
      before?: (state: ReplicaState) => Step[];
      after?: (state: ReplicaState) => Step[];
      signal?: AbortSignal | undefined;
      timeoutMs?: number;
    },
  ): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const { state, digest, folder } = await this.mustSee(migrationId, options.signal);
      const next = change(state);
      if (stateText(next) === stateText(state)) return;
      const steps: Step[] = [...(options.before?.(state) ?? []), put(next), ...(options.after?.(state) ?? [])];
      const result = await this.transact(migrationId, folder, {
        seen: digest,
        steps,
        state: stateText(next),
        signal: options.signal,
        ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      });
      if (result.exitCode === 0 || result.exitCode === EXIT.standing) return;
    }
    throw contended(this, migrationId);
  }

  private writer(migrationId: string, folder: string, nonce: string) {
    const { host, platform, openStore } = this.options;
    const runtimeDir = this.runtimeDir(migrationId);
    const superseding = () => superseded(this, migrationId, 'a newer attempt writes it');
    return { host, platform, openStore, runtimeDir, folder, nonce, superseded: superseding };
  }

  transact(migrationId: string, folder: string, rest: Omit<Transaction, 'folder' | 'runtimeDir' | 'platform'>) {
    const { host, platform } = this.options;
    return transact(host, { folder, platform, runtimeDir: this.runtimeDir(migrationId), ...rest });
  }

  runtimeDir(migrationId: string): string {
    return join(this.options.runtimeDir, `nbd-${migrationId}`);
  }
}

export function superseded({ options: { platform } }: ReplicaStore, migrationId: string, why: string): VmferryError {
  return new VmferryError('Superseded', `cannot write the replica of ${migrationId}: ${why}`, { platform });
}

export function contended({ options: { platform } }: ReplicaStore, migrationId: string): VmferryError {
  return new VmferryError('Timeout', `cannot work on the replica of ${migrationId}: its state keeps changing`, {
    platform,
  });
}
