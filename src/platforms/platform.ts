import type { z } from 'zod';
import type { BlockReader, BlockStore } from '../blocks/block-device.js';
import type { Host } from '../exec/host.js';
import type { Abilities } from '../model/abilities.js';
import type { Finding } from '../model/finding.js';
import type { ApplianceDisk, GuestDisk } from '../model/guest-disks.js';
import type {
  AgentFacts,
  GuestExecOptions,
  GuestExecResult,
  GuestFilesystem,
  TrimmedFilesystem,
} from '../model/guest-inside.js';
import type { ProbeResult } from '../model/status.js';
import type { PackagePlan } from '../model/package.js';
import type { PlannedDisk, TargetFacts, TargetLimits } from '../model/target.js';
import type { SiteTools } from '../model/tools.js';
import type { GuestFacts, PowerState, VmDescription, VmSummary } from '../model/vm.js';
import type { Probe } from '../request/probe.js';

/**
 * What a platform is to the rest of vmferry. A platform is one folder and one line in registry.ts; it declares what it
 * can do and implements `VmSite` and, as declared, `SourceSite` and `TargetSite`. Everything here is idempotent: it may
 * run twice, at once, on another worker, and after a kill at any point.
 */

/** Who owns a resource: stands in every mark that vmferry leaves at a site. */
export interface Owner {
  /** 12 hex digits. */
  migrationId: string;
  workflowId: string;
  /** Temporal namespace and address, so that another cluster's things are told from ours. */
  cluster: string;
  namespace: string;
}

export interface Claim extends Owner {
  vm: string;
  claimedAt: string;
  /** What the VM was when it was claimed, so that `recover` can put it back without the workflow. */
  ran?: 'yes' | 'no' | undefined;
  autostart?: 'yes' | 'no' | undefined;
  /** Services of the guest that ran and were stopped for the migration, by their names with a space between. */
  stoppedServices?: string | undefined;
  /** Whether a file that builds virtio into the guest's initramfs was added to it. */
  addedVirtio?: 'yes' | undefined;
}

/** What a preparation writes down in the claim before it changes the guest. */
export type ClaimNotes = Pick<Claim, 'stoppedServices' | 'addedVirtio'>;

/** A VM's run: a different `instance` means that it was stopped and started in between. */
export interface RunState {
  state: PowerState;
  /** Changes with every start of the VM; null when it is not running. */
  instance: string | null;
  autostart: boolean;
}

/** A VM by its name at the site, or by what names it for good. */
export type VmKey = { readonly name: string } | { readonly id: string };

/** Where a VM was found. */
export interface Whereabouts {
  /** Stays the same when it is renamed. */
  id: string;
  name: string;
  run: RunState;
  /** By disk: text that differs as soon as anything was written to it, or as it is another file, while the VM is off. */
  disks: Record<string, string>;
}

/** What both sides need. `vm` is always the VM's name at this site. */
export interface VmSite {
  readonly site: string;
  /** As in `vmferry.yaml`: two sites of one platform have the same devices. */
  readonly platform: string;
  readonly abilities: Abilities;
  /** What works on VMs here. @throws VmferryError `Unreachable`. */
  tools(signal?: AbortSignal): Promise<SiteTools>;
  /** @throws VmferryError `Unreachable`, `Denied`. */
  inventory(signal?: AbortSignal): Promise<VmSummary[]>;
  /** @throws VmferryError `NotFound`, naming the VMs that exist. */
  describe(vm: string, signal?: AbortSignal): Promise<VmDescription>;
  /** `null` where there is no such VM. */
  runState(vm: string, signal?: AbortSignal): Promise<RunState | null>;
  /** Looks for a VM, by its id whatever it is called; `null` where there is none. `disks`: those to look at, by id. */
  whereabouts(vm: VmKey, disks: readonly string[], signal?: AbortSignal): Promise<Whereabouts | null>;
  setAutostart(vm: string, on: boolean, signal?: AbortSignal): Promise<void>;
  start(vm: string, signal?: AbortSignal): Promise<void>;
  /** Asks the guest to stop: through its agent, else by ACPI. Returns at once. */
  requestShutdown(vm: string, signal?: AbortSignal): Promise<void>;
  /** Pulls the plug. Returns when the VM is off. */
  forceOff(vm: string, signal?: AbortSignal): Promise<void>;
  /** What answers in a running guest. Ports are tried from the site itself. */
  guestFacts(vm: string, signal?: AbortSignal): Promise<GuestFacts>;
  /** What the running guest's agent lets itself be asked; null where none answers. */
  agentFacts(vm: string, signal?: AbortSignal): Promise<AgentFacts | null>;
  /**
   * Runs a program in the guest, through its agent, and waits for its end. Not idempotent: what it runs has to be. A
   * program that is waited for no more, as its time is over or `signal` fired, goes on in the guest.
   * @throws VmferryError `GuestUnwilling`: no agent, one that does not allow it, no such program, or not ended in its time.
   */
  guestExec(
    vm: string,
    command: readonly [string, ...string[]],
    options: GuestExecOptions,
    signal?: AbortSignal,
  ): Promise<GuestExecResult>;
  /** Has the guest tell its disks which blocks are free. @throws VmferryError `GuestUnwilling`. */
  guestTrim(vm: string, signal?: AbortSignal): Promise<TrimmedFilesystem[]>;
  /** What is mounted in the guest, and the room there. @throws VmferryError `GuestUnwilling`. */
  guestFilesystems(vm: string, signal?: AbortSignal): Promise<GuestFilesystem[]>;
  /** Tries one probe once. */
  probe(vm: string, probe: Probe, signal?: AbortSignal): Promise<Pick<ProbeResult, 'passed' | 'detail'>>;
  /** Waits for a reset or reboot of the running guest; false when there was none in that time. */
  resetWithin(vm: string, waitMs: number, signal?: AbortSignal): Promise<boolean>;
  /** A picture of the screen as PNG, or null where there is no display. */
  screenshot(vm: string, signal?: AbortSignal): Promise<Buffer | null>;
  /** The last of what the guest wrote to its serial console, or null where nothing records it. At most 64 KiB. */
  consoleText(vm: string, signal?: AbortSignal): Promise<string | null>;
  close(): Promise<void>;
}

export interface PointRequest {
  owner: Owner;
  vm: string;
  /** Disks that are copied, by id. */
  disks: readonly string[];
  /** The checkpoint to make at this point in time, `vmferry-<id>-<n>`. */
  checkpoint: string;
  /** Checkpoint from which changes are asked for; null for everything. */
  since: string | null;
  quiesce: 'auto' | 'required' | 'never';
}

export interface PointDisk {
  id: string;
  reader: BlockReader;
  /** `bitmap`: the reader knows what changed; `unknown`: the whole disk is to be read and compared. */
  changes: 'bitmap' | 'unknown';
}

/** An open point in time of the source: all its disks, as of one instant. */
export interface OpenPoint {
  checkpoint: string;
  /** ISO 8601. */
  takenAt: string;
  quiesced: boolean;
  /** Why tracking or quiescing is not as wished, for people; null when it is. */
  note: string | null;
  /** Whether this is the point that an earlier try of the same pass had opened. */
  continued: boolean;
  disks: PointDisk[];
  /** Tells the watchdog at the site that the worker is alive; called every few seconds. */
  keepAlive(): Promise<void>;
  /** Whether the guest was reset or rebooted since the point was taken; a stop and a start are seen by the instance. */
  wasReset(signal?: AbortSignal): Promise<boolean>;
  /** Closes connections; the point stays at the site and can be opened again by the same request. */
  detach(): Promise<void>;
  /** Ends the point: job, scratch, exports. */
  end(): Promise<void>;
}

export interface SourceSite extends VmSite {
  /**
   * What of this VM cannot be moved as it is, as findings with stable ids; never changes anything. Those of disks (`disk.…`),
   * also what the description says of them, only of `disks`: what is left behind stands in nobody's way.
   */
  sourceFindings(vm: VmDescription, disks: readonly string[], signal?: AbortSignal): Promise<Finding[]>;
  /**
   * Gives the disks, of those of `disks` that can be read, to what looks into them while the VM is off; null for one that is
   * not. Nothing is changed.
   */
  withDisks<T>(
    vm: VmDescription,
    disks: readonly string[],
    work: (readable: ReadableDisks) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T | null>;
  /** Sets the claim atomically. Claiming again by the same migration is no error. @throws VmferryError `AlreadyClaimed` naming the first. */
  claim(vm: string, claim: Claim, signal?: AbortSignal): Promise<void>;
  readClaim(vm: string, signal?: AbortSignal): Promise<Claim | null>;
  /** Writes notes into this migration's claim, each replacing the one before; one that is empty is taken out. @throws VmferryError `Drift` where it holds none. */
  noteInClaim(vm: string, migrationId: string, notes: ClaimNotes, signal?: AbortSignal): Promise<void>;
  /** Removes the claim if it is this migration's. */
  releaseClaim(vm: string, migrationId: string, signal?: AbortSignal): Promise<void>;
  /**
   * Opens a point in time of a running (or stopped) VM. An existing point of the same checkpoint name is opened again;
   * any other point of this migration is ended first.
   * @throws VmferryError `NoSpace` (scratch), `GuestUnwilling` (quiesce required and refused), `Conflict` (somebody else's job).
   */
  openPoint(request: PointRequest, signal?: AbortSignal): Promise<OpenPoint>;
  /** Checkpoint name of the point that this migration has open at the source, or null. */
  currentPoint(vm: string, migrationId: string, signal?: AbortSignal): Promise<string | null>;
  /** Ends whatever point, freeze, export or scratch file this migration has at the source. */
  endPoints(vm: string, migrationId: string, signal?: AbortSignal): Promise<void>;
  /** Deletes this migration's checkpoints but those named. */
  deleteCheckpoints(vm: string, migrationId: string, keep: readonly string[], signal?: AbortSignal): Promise<void>;
  /** UEFI variables and TPM state of a stopped VM, for `TargetSite.define`. */
  readSideState(vm: string, signal?: AbortSignal): Promise<SideState>;
  /**
   * Everything that migrations have at this site as their source: claims, checkpoints, points in time with their exports
   * and scratch files. For `sweep` and `recover`.
   */
  listTraces(signal?: AbortSignal): Promise<SourceTrace[]>;
  /** After acceptance: keeps the VM stopped and marks it as moved, with where to. */
  retire(vm: string, note: string, signal?: AbortSignal): Promise<void>;
}

/** Small state beside the disks. Bytes as the platform's tools write them. */
export interface SideState {
  /** UEFI variable store, raw. */
  nvram: Buffer | null;
  /** A tar archive of the TPM's state directory. */
  tpm: Buffer | null;
}

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

/** Disks that are only read, and where the tools for it run. */
export interface ReadableDisks {
  host: Host;
  /** Whether QEMU can use KVM there. */
  accelerator: TargetFacts['accelerator'];
  disks: readonly ApplianceDisk[];
}

/** Overlays that are written to, and what a VM can be given there. */
export interface GuestDisks extends ReadableDisks {
  limits: TargetLimits;
  disks: readonly GuestDisk[];
}

/** What a migration has at the source's site. */
export interface SourceTrace extends OwnedResource {
  /** The VM; null where it is gone, or where nothing says which it is. */
  vm: { name: string; uuid: string } | null;
  /** Of a `<platform>-claim`. */
  claim: Claim | null;
}

export interface OwnedResource {
  /**
   * At a target `<platform>-target` (the VM of a cutover), `<platform>-rehearsal`, `<platform>-replica`; at a source
   * `<platform>-claim`, `<platform>-checkpoint`, `<platform>-point`.
   */
  kind: string;
  name: string;
  migrationId: string;
  owner: Owner | null;
  sizeBytes: number | null;
  /** Why it must not be removed (a running domain, its disks), or null. */
  inUse: string | null;
  /** Of a `<platform>-target`: no VM but a package, which is not at its place yet. */
  packed?: true;
  /** Of a replica: the VM that is defined on its files, running or not. */
  usedBy?: string | undefined;
}
