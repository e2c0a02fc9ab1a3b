import type { Abilities } from '../model/abilities.js';
import type {
  AgentFacts,
  GuestExecOptions,
  GuestExecResult,
  GuestFilesystem,
  TrimmedFilesystem,
} from '../model/guest-inside.js';
import type { ProbeResult } from '../model/status.js';
import type { SiteTools } from '../model/tools.js';
import type { GuestFacts, PowerState, VmDescription, VmSummary } from '../model/vm.js';
import type { Probe } from '../request/probe.js';

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
  /** What answers in a running guest. Ports are tried from the site itself, unless `ports` is false. Default: true. */
  guestFacts(vm: string, signal?: AbortSignal, ports?: boolean): Promise<GuestFacts>;
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
