/** What a guest's agent tells, and what is run through it: shapes that platforms, preparation and checks share. */

/** What a running agent lets itself be asked. */
export interface AgentFacts {
  /** The operating system's id as the agent says it (`debian`, `mswindows`); null where it does not. */
  os: string | null;
  /** May programs be run, file systems trimmed and looked at; false where the guest's settings block that. */
  mayExec: boolean;
  mayTrim: boolean;
  mayLook: boolean;
}

/** What lets the agent do more: some distributions list what is blocked (RHEL 7 to 9.3), others what is allowed (from 9.4 on). */
export function allowInAgent(commands: string): string {
  return `Allow ${commands} in the guest: in /etc/sysconfig/qemu-ga take it out of BLACKLIST_RPC, BLOCK_RPCS or --block-rpcs, or add it to --allow-rpcs; elsewhere see block-rpcs and allow-rpcs in /etc/qemu/qemu-ga.conf. Then restart the agent.`;
}

export interface GuestExecOptions {
  /** The program is waited for so long. It goes on in the guest beyond that: nothing outside can end it. */
  timeoutMs: number;
}

export interface GuestExecResult {
  exitCode: number;
  /** At most 256 KiB of each. */
  stdout: string;
  stderr: string;
}

/** One mounted file system. */
export interface GuestFilesystem {
  /** `/`, or `C:\`. */
  path: string;
  /** As the guest's kernel calls it: `ext4`, `NTFS`. */
  type: string;
  /** Null where the agent is too old to say. */
  totalBytes: number | null;
  freeBytes: number | null;
}

export interface TrimmedFilesystem {
  path: string;
  /** As the guest's kernel counts it; null where it does not. What was trimmed before is not counted again by most. */
  trimmedBytes: number | null;
  /** Why it was not trimmed, or null. */
  error: string | null;
}

export type ServiceState = 'active' | 'inactive' | 'unknown' | 'unclear';

/** How a guest stands to the preparation that is asked for. */
export interface GuestReadiness {
  /** Null where no agent answers. */
  agent: AgentFacts | null;
  /** Of each service that shall be stopped; null where nobody could look. */
  services: Readonly<Record<string, ServiceState>> | null;
  /**
   * What builds its initramfs (`initramfs-tools`, `dracut`; null where neither is there), and those in /boot. Null where
   * nobody could look, or it is not asked for.
   */
  initramfs: { builder: string | null; images: readonly string[] } | null;
  /** Room on the file system of `/` or `C:\`; null where it is not known. */
  rootFreeBytes: number | null;
}
