import type { z } from 'zod';
import type { BlockStore } from '../blocks/block-device.js';
import type { GuestDisk } from '../model/guest-disks.js';
import type { PackagePlan } from '../model/package.js';
import type { ProbeResult } from '../model/status.js';
import type { PlannedDisk, TargetFacts, TargetLimits } from '../model/target.js';
import type { VmDescription } from '../model/vm.js';
import type { ReadableDisks, SideState } from './source-site.js';
import type { OwnedResource, Owner, VmSite } from './vm-site.js';

/** The VM to be built at the target: from the normalised description with the request's maps applied. */
export interface TargetVm {
  owner: Owner;
  name: string;
  description: VmDescription;
  /** Source network -> target network. Complete. */
  networks: Record<string, string>;
}

/** The VM that a replica is a copy of. */
export interface ReplicaSource {
  site: string;
  vm: string;
  uuid: string;
}

export interface ReplicaSpec {
  owner: Owner;
  targetName: string;
  /** Default: not known; then it is neither swept nor adopted. */
  source?: ReplicaSource;
  disks: PlannedDisk[];
}

/** What the state file beside the replica says; it is written atomically and is the truth about the data. */
export interface ReplicaState {
  version: 1;
  owner: Owner;
  targetName: string;
  /** Null where nobody said. */
  source: ReplicaSource | null;
  disks: { id: string; sizeBytes: number; format: 'qcow2' | 'raw'; path: string; manifestPath: string }[];
  /**
   * The last whole pass; null before the seed is whole. An adopted replica has pass 0 and an empty checkpoint: no source
   * can say what changed since. `result` is what the pass reported, for a retry after its end. */
  whole: { pass: number; checkpoint: string; result: unknown } | null;
  /** The torn pass, if any: the points from which blocks of it were taken, the oldest first. */
  torn: { pass: number; points: string[]; marked: string | null } | null;
  /** Sealed layers that are not merged yet, oldest first. */
  layers: { pass: number; files: Record<string, { data: string; manifest: string }> }[];
  verifiedPass: number;
}

export interface OpenReplicaDisk {
  id: string;
  data: BlockStore;
  manifest: BlockStore;
}

/** The replica opened by the one writer of a pass. */
export interface OpenReplica {
  state: ReplicaState;
  disks: OpenReplicaDisk[];
  /** What is not as it should be (reads that cannot go past the page cache), for people; null when all is well. */
  note: string | null;
  /** Notes in the state file which point in time blocks of this pass are taken from; before the first block. */
  notePoint(checkpoint: string): Promise<void>;
  /** Notes that every changed leaf of `checkpoint` is marked unknown in the manifests (see blocks/copy). */
  noteMarked(checkpoint: string): Promise<void>;
  /** Makes the pass part of the replica, all disks at once. @throws VmferryError `Superseded`. */
  seal(whole: NonNullable<ReplicaState['whole']>): Promise<void>;
  /** Closes connections and exports. */
  close(): Promise<void>;
}

export interface TargetSite extends VmSite {
  /**
   * What is there, and room at each of `storages` (null: the site's default), which may be none that the site knows of: one
   * that cannot be used is told as such. Never changes anything.
   */
  targetFacts(storages: readonly (string | null)[], signal?: AbortSignal): Promise<TargetFacts>;

  /** Creates folder, empty disks and manifests. @throws VmferryError `NoSpace`, `Conflict` (a file of somebody else). */
  createReplica(spec: ReplicaSpec, signal?: AbortSignal): Promise<ReplicaState>;
  /**
   * Why a kept replica cannot become this migration's, in words, or null: it has to be whole, of the same VM and the same
   * disks at the same place, of the same Temporal cluster and namespace, and nothing may stand on it. Changes nothing.
   */
  whyNotAdopt(kept: string, spec: ReplicaSpec, signal?: AbortSignal): Promise<string | null>;
  /**
   * Makes the replica that the migration `kept` left this migration's own: owner, state and folder, under its lock. Its
   * content counts as whole, but as of no known point in time and not verified: the next pass has to compare.
   * @throws VmferryError `Conflict` with the reason of `whyNotAdopt`.
   */
  adoptReplica(kept: string, spec: ReplicaSpec, signal?: AbortSignal): Promise<ReplicaState>;
  readReplica(migrationId: string, signal?: AbortSignal): Promise<ReplicaState | null>;
  /**
   * Takes the writer's lock and opens replica and manifests for a pass (the seed writes the replica, later passes a
   * layer). Ends what earlier tries left. `attempt` decides who is newer: an older one is refused as `Superseded`.
   */
  openReplica(migrationId: string, pass: number, attempt: number, signal?: AbortSignal): Promise<OpenReplica>;
  /** Opens the last whole pass read-only and past the page cache, with its manifests writable, for verify and audit. */
  openForVerify(migrationId: string, signal?: AbortSignal): Promise<OpenReplica>;
  noteVerified(migrationId: string, pass: number, signal?: AbortSignal): Promise<void>;
  /** Merges sealed layers that nothing stands on. */
  mergeLayers(migrationId: string, signal?: AbortSignal): Promise<void>;
  /** Throws a torn pass away (its layer; for the seed nothing: what was copied stays). */
  discardTorn(migrationId: string, signal?: AbortSignal): Promise<void>;
  removeReplica(migrationId: string, signal?: AbortSignal): Promise<void>;

  /**
   * Overlays over the last whole, verified pass for the `role`, with the guest in them as `convert` leaves it. They are there
   * whole or not at all: a try that ends in between leaves nothing that a VM would be put on, and what was done is not done
   * again but its result returned, as `result` reads it.
   * @throws VmferryError `Superseded` where another try was quicker or the cutover was undone.
   */
  convert<T>(
    migrationId: string,
    role: 'rehearsal' | 'cutover',
    result: z.ZodType<T>,
    convert: (guest: GuestDisks) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;
  /**
   * A test boot of the last whole, verified pass on overlays and an isolated network, under a name of its own
   * (`<target>-rehearsal-<id>`). Returns that name; the VM runs.
   */
  startRehearsal(vm: TargetVm, sides: SideState, network: string | null, signal?: AbortSignal): Promise<string>;
  /** Removes the rehearsal's domain, overlays and network. */
  endRehearsal(migrationId: string, signal?: AbortSignal): Promise<void>;

  /** Overlay over the final pass, domain defined under its name, network unplugged, autostart off. Not started. */
  define(vm: TargetVm, sides: SideState, signal?: AbortSignal): Promise<void>;
  setLinks(vm: string, up: boolean, signal?: AbortSignal): Promise<void>;
  /** Null at a target that runs VMs. Where it is not, it stands for rehearsal, `define`, `start` and `setLinks`. */
  readonly packaging: Packaging | null;
  /**
   * For undo: the migration's domain, whatever it is called by now, is off, undefined, its overlay removed (its package
   * removed); the replica is as before `define`. For good: from then on `define` is refused for this migration (`Superseded`), so that a try that
   * was given up and still runs brings nothing back.
   */
  undefine(migrationId: string, signal?: AbortSignal): Promise<void>;
  /**
   * After acceptance, while it runs: overlay and replica become one disk of the asked format; autostart as at the source;
   * working files removed. A package is renamed to its place, and the replica removed.
   * @throws VmferryError `Conflict` where the package's name was taken meanwhile.
   */
  finalize(vm: string, migrationId: string, autostart: boolean, signal?: AbortSignal): Promise<void>;

  /** Everything at this site that carries vmferry's mark, for `sweep`, `replicas` and `recover`. */
  listOwned(signal?: AbortSignal): Promise<OwnedResource[]>;
  /**
   * For `sweep`: removes what a migration left here: its VMs that are off, their overlays, and the replica. Looked at again
   * under the replica's lock, so that nothing goes that a VM runs on or that has another owner by now.
   * @throws VmferryError `Unsafe` (a VM runs or stands on it), `Superseded` (it is another migration's). What was not yet
   * removed stays.
   */
  removeLeft(owner: Owner, signal?: AbortSignal): Promise<void>;
}

/** How a long step of a target is told of, and ended. */
export interface WorkInPackage {
  /** @param name of a disk, or of a file of the package. */
  onProgress: (name: string, doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal | undefined;
}

/** What a target that runs no VMs (`abilities.boots` is false) makes of a replica. */
export interface Packaging {
  /** What such a package can describe. */
  limits(plan: PackagePlan): TargetLimits;
  /**
   * Writes the package of the last whole, verified pass, where no reader of the site finds it. One that is there, of the
   * same pass and the same VM, is kept.
   * @throws VmferryError `Unsafe` (not verified), `Conflict` (its name is taken), `NoSpace`, `Superseded` (the cutover was
   *   undone, or a newer try is at work).
   */
  write(vm: TargetVm, sides: SideState, plan: PackagePlan, work: WorkInPackage): Promise<void>;
  /**
   * Reads the written package back as one that comes from elsewhere: that it describes the VM, and that each disk holds
   * what the replica does, block for block. A difference is no error but a result that did not pass.
   */
  prove(vm: TargetVm, plan: PackagePlan, work: WorkInPackage): Promise<ProbeResult[]>;
}

/** Overlays that are written to, and what a VM can be given there. */
export interface GuestDisks extends ReadableDisks {
  limits: TargetLimits;
  disks: readonly GuestDisk[];
}
