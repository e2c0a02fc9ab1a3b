import type { Conversion, ConversionWish } from '../src/model/conversion.js';
import type { Estimate } from '../src/model/estimate.js';
import type { Finding } from '../src/model/finding.js';
import type { PackagePlan } from '../src/model/package.js';
import type {
  DiskRecord,
  Evidence,
  MigrationStatus,
  PassKind,
  PassRecord,
  PreparationRecord,
  ProbeResult,
} from '../src/model/status.js';
import type { PlannedDisk } from '../src/model/target.js';
import type { GuestFacts, VmDescription } from '../src/model/vm.js';
import type { MigrateVmRequest } from '../src/request/migrate-vm.js';
import type { GuestCommand } from '../src/request/prepare-guest.js';
import type { Probe } from '../src/request/probe.js';

/** What crosses between workflows and activities: plain JSON, no secrets, no block maps. */

/** Names the migration in every activity. */
export interface Ref {
  migrationId: string;
  vm: string;
  source: string;
  target: string;
  targetName: string;
}

export interface Assessment {
  description: VmDescription;
  /** Changes with disks. */
  diskPrint: string;
  /** Changes with all other hardware. */
  hardwarePrint: string;
  running: boolean;
  instance: string | null;
  autostart: boolean;
  /** What answered in the running guest; null when it was off. */
  facts: GuestFacts | null;
  disks: PlannedDisk[];
  /** Source network -> target network, complete. */
  networks: Record<string, string>;
  /** What is written at a target that runs no VMs; null (in older histories nothing) at one that does. */
  package?: PackagePlan | null;
  findings: Finding[];
  /** Not there in one that an older version made. */
  estimate?: Estimate;
  /** The guest is to be looked at, and changed if need be, before it boots at the target. Default null: it is left alone. */
  conversion?: ConversionWish | null;
}

export interface PassInput extends Ref {
  /** Newer passes and tries have a higher one; at the site it decides who may write. */
  generation: number;
  number: number;
  kind: PassKind;
  disks: string[];
  quiesce: 'auto' | 'required' | 'never';
  /** Run in the running guest before and after its point in time. Default: none. */
  commands?: { before: GuestCommand[]; after: GuestCommand[] };
  bandwidth: string | null;
  diskPrint: string;
  hardwarePrint: string;
  /** Reads the whole point in time besides, and copies what differs though the source did not say that it changed. */
  audit: boolean;
  /** Reads what the pass wrote back; the final pass leaves it to `verifyPass`. */
  verify: boolean;
  /** Reads the whole replica back, not only what the pass wrote. Default false. */
  readBack?: boolean;
}

export interface PassResult {
  record: PassRecord;
  disks: DiskRecord[];
  /** What it wrote was read back and is right; false also where that is left to `verifyPass`. */
  verified: boolean;
  checkpoint: string;
  instance: string | null;
  /** The source's hardware (not its disks) is no longer as assessed. */
  hardwareChanged: boolean;
  /** Bytes that the source says changed, or that differed. */
  changedBytes: number;
  /** What an audit found to differ beyond that, in whole blocks; null where nothing was audited. */
  missedBytes: number | null;
}

export interface RehearsalInput extends Ref {
  description: VmDescription;
  networks: Record<string, string>;
  /** A network of the target, or null for an isolated one. */
  network: string | null;
  probes: Probe[] | null;
  facts: GuestFacts | null;
  timeoutMs: number;
  startedAt: string;
  conversion?: ConversionWish | null;
}

export interface RehearsalResult {
  passed: boolean;
  /** From start to the first probe passed. */
  bootMs: number | null;
  /** What stopping the guest took, or null where it did not stop by itself. */
  stopMs: number | null;
  /** What making and defining the overlay took. */
  defineMs: number;
  /** Default null: the guest was left alone. */
  conversion?: Conversion | null;
  probes: ProbeResult[];
  evidence: Evidence[];
}

/** One step of what is prepared in the running guest before the first pass. */
export type PreparationStep =
  | { kind: 'free-space'; sources: ('package-caches' | 'temporary-files')[] }
  | { kind: 'virtio-in-initramfs' }
  | { kind: 'trim' }
  | { kind: 'check-space'; leastBytes: number };

export interface PutBackResult {
  /** Each service that was to run again, and why it does not. */
  services: { name: string; error: string | null }[];
  /** Files that were removed from the guest. */
  removed: string[];
  /** Why nothing could be done in the guest, or null. */
  stays: string | null;
}

export interface StopResult {
  off: boolean;
  tookMs: number;
}

export interface TargetInput extends Ref {
  description: VmDescription;
  networks: Record<string, string>;
  /** A human declared the source down: it is not looked at. Default false. */
  sourceConfirmedDown?: boolean;
}

export interface PackageInput extends TargetInput {
  package: PackagePlan;
}

export interface PackageProof {
  passed: boolean;
  results: ProbeResult[];
}

export interface ConversionInput extends Ref {
  description: VmDescription;
  facts: GuestFacts | null;
  conversion: ConversionWish;
  /** Where it goes out in a package. Default null. */
  package?: PackagePlan | null;
}

export interface ProbeInput extends Ref {
  probes: Probe[] | null;
  facts: GuestFacts | null;
  /** `offline`: what needs no network; `online`: the others, once it is plugged. */
  stage: 'offline' | 'online';
  startedAt: string;
  /** As for the start of the target. Default false. */
  sourceConfirmedDown?: boolean;
}

export interface ProbeOutcome {
  /** All that are required passed. */
  passed: boolean;
  /** Passed of those that were tried in this stage; null when there was none. */
  firstPassed: boolean;
  /** How long before the end of this activity the first probe had passed. */
  firstPassedAgoMs: number;
  results: ProbeResult[];
  evidence: Evidence[];
}

export interface Notice {
  event: 'decision-awaited' | 'approval-lapsing' | 'approval-lapsed' | 'needs-attention' | 'failed' | 'finished';
  text: string;
  status: Pick<MigrationStatus, 'migrationId' | 'vm' | 'source' | 'target' | 'phase' | 'decisions'>;
}

/** Every activity of `migrateVm`; each takes one object, may run twice and at once, and may be killed at any point. */
export interface MigrationActivities {
  /** Refuses a site that is in no `vmferry.yaml` of the worker that orchestrates. */
  checkSites(ref: Pick<Ref, 'source' | 'target'>): Promise<void>;
  assess(input: { ref: Ref; request: MigrateVmRequest }): Promise<Assessment>;
  /**
   * Claims the source (of that `uuid`), then makes the empty replica, or takes over the one that the migration `adopt` kept.
   * Fails as `AlreadyClaimed` where another migration has the VM.
   */
  prepare(input: Ref & { uuid: string; disks: PlannedDisk[]; adopt: string | null }): Promise<void>;
  /** One change in the guest of the running source. Fails as `GuestUnwilling` or `NoSpace`, which are a human's to mend. */
  prepareGuest(input: Ref & { step: PreparationStep }): Promise<PreparationRecord[]>;
  /** Stops services in the guest, each noted in the claim before; those that do not run stay so. */
  stopServices(input: Ref & { services: string[]; timeoutMs: number }): Promise<PreparationRecord[]>;
  /**
   * Starts the services that the claim says were stopped, and those named, where the guest runs; with `traces`, removes
   * what else preparation left in it. A guest that does not answer fails as `GuestUnwilling`, or with `giveUp` is told.
   */
  putBackGuest(
    input: Ref & { services: string[]; timeoutMs: number; traces: boolean; giveUp: boolean },
  ): Promise<PutBackResult>;
  runPass(input: PassInput): Promise<PassResult>;
  verifyPass(input: Ref & { bandwidth: string | null; readBack?: boolean }): Promise<DiskRecord[]>;
  rehearse(input: RehearsalInput): Promise<RehearsalResult>;
  endRehearsal(ref: Ref): Promise<void>;
  /** Looks at the source just before it is stopped: what answers, and that it is still the same VM; then holds its autostart off. */
  holdSource(
    input: Ref & { hardwarePrint: string; diskPrint: string },
  ): Promise<{ facts: GuestFacts | null; running: boolean }>;
  stopSource(input: Ref & { timeoutMs: number }): Promise<StopResult>;
  forceStopSource(ref: Ref): Promise<StopResult>;
  /** Makes the overlays of the cutover, with the guest in them converted. */
  convertTarget(input: ConversionInput): Promise<Conversion>;
  /**
   * Defines the target and starts it with its network unplugged; each only while the source is seen off. Fails as
   * `SourceLost` where it cannot be seen.
   */
  startTarget(input: TargetInput): Promise<void>;
  /** At a target that runs no VMs: writes the package where nobody sees it yet, only while the source is seen off. */
  writePackage(input: PackageInput): Promise<void>;
  /** Reads the package back and compares it with the VM and with the replica. */
  provePackage(input: PackageInput): Promise<PackageProof>;
  /** The `online` stage plugs the network first, while the source is seen off. */
  probeTarget(input: ProbeInput): Promise<ProbeOutcome>;
  /**
   * Makes the target final, and then tries once to do what `retireSource` does. `retired` is false where that failed: the
   * target is final all the same.
   */
  finalizeTarget(input: Ref & { autostart: boolean; movedAt: string }): Promise<{ retired: boolean }>;
  /** Keeps the source stopped and marked as moved; ends points, checkpoints and claim there. */
  retireSource(input: Ref & { movedAt: string }): Promise<void>;
  /** Stops the target and makes it unable to start; returns only when both are seen. */
  removeTarget(ref: Ref): Promise<void>;
  /** Starts the source again and puts its autostart back; refuses while the target can run, unless it was confirmed down. */
  restoreSource(input: Ref & { start: boolean; autostart: boolean; targetConfirmedDown: boolean }): Promise<void>;
  /** Watches a guest that was asked to stop for as long, and starts it again, once, where it stops after all. */
  watchSource(
    input: Ref & { forMs: number; autostart: boolean; targetConfirmedDown: boolean },
  ): Promise<{ startedAgain: boolean }>;
  /** Ends points, checkpoints and claim at the source. */
  cleanSource(ref: Ref): Promise<void>;
  /** Removes the replica where it is not whole, or where asked; of one that is kept and verified, gives the root digests. */
  cleanTarget(input: Ref & { keepWhole: boolean }): Promise<{ kept: boolean; disks?: DiskRecord[] }>;
  /** Does nothing: that it was done shows that a worker is there. */
  answer(ref: Ref): Promise<void>;
  notify(input: { ref: Ref; notify: NonNullable<MigrateVmRequest['notify']>; notice: Notice }): Promise<void>;
  writeReport(status: MigrationStatus): Promise<{ path: string }>;
}
