import type { BlockReader } from '../blocks/block-device.js';
import type { Host } from '../exec/host.js';
import type { Finding } from '../model/finding.js';
import type { ApplianceDisk } from '../model/guest-disks.js';
import type { TargetFacts } from '../model/target.js';
import type { VmDescription } from '../model/vm.js';
import type { Claim, ClaimNotes, OwnedResource, Owner, VmSite } from './vm-site.js';

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

/** Disks that are only read, and where the tools for it run. */
export interface ReadableDisks {
  host: Host;
  /** Whether QEMU can use KVM there. */
  accelerator: TargetFacts['accelerator'];
  disks: readonly ApplianceDisk[];
}

/** What a migration has at the source's site. */
export interface SourceTrace extends OwnedResource {
  /** The VM; null where it is gone, or where nothing says which it is. */
  vm: { name: string; uuid: string } | null;
  /** Of a `<platform>-claim`. */
  claim: Claim | null;
}
