import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type {
  AgentFacts,
  GuestExecOptions,
  GuestExecResult,
  GuestFilesystem,
  TrimmedFilesystem,
} from '../../model/guest-inside.js';
import { askAgent, nobodyAnswers, unwilling } from './agent.js';
import type { LibvirtConnection } from './connect.js';

/** What is looked at and done inside a running guest: commands of the QEMU Guest Agent Protocol Reference. */

const FIRST_LOOK_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const MOST_OUTPUT_BYTES = 256 * 1024;
/** A guest has a handful, or one for each of its containers. */
const MOST_FILESYSTEMS = 200;

const info = z.object({ supported_commands: z.array(z.object({ name: z.string(), enabled: z.boolean() })).max(1_000) });
const osInfo = z.object({ id: z.string().max(100).optional() });
const started = z.object({ pid: z.number().int() });
const status = z.object({
  exited: z.boolean(),
  exitcode: z.number().int().optional(),
  signal: z.number().int().optional(),
  'out-data': z.string().optional(),
  'err-data': z.string().optional(),
});
const filesystems = z.array(
  z.object({
    mountpoint: z.string().max(4096),
    type: z.string().max(64),
    'total-bytes': z.number().optional(),
    'used-bytes': z.number().optional(),
  }),
);
const trimmed = z.object({
  paths: z.array(z.object({ path: z.string(), trimmed: z.number().optional(), error: z.string().optional() })),
});

/** Null where no agent answers. */
export async function agentFacts(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<AgentFacts | null> {
  const guest = await guestOf(at, vm, signal);
  try {
    const { supported_commands } = await askAgent(at, guest, 'guest-info', info, { signal });
    const may = (name: string) => supported_commands.some((each) => each.name === name && each.enabled);
    const os = may('guest-get-osinfo') ? await askAgent(at, guest, 'guest-get-osinfo', osInfo, { signal }) : null;
    return {
      os: os?.id ?? null,
      mayExec: may('guest-exec') && may('guest-exec-status'),
      mayTrim: may('guest-fstrim'),
      mayLook: may('guest-get-fsinfo'),
    };
  } catch (error) {
    if (nobodyAnswers(error)) return null;
    throw error;
  }
}

export async function guestExec(
  at: LibvirtConnection,
  vm: string,
  [path, ...arg]: readonly [string, ...string[]],
  { timeoutMs }: GuestExecOptions,
  signal?: AbortSignal,
): Promise<GuestExecResult> {
  const guest = await guestOf(at, vm, signal);
  const given = { path, arg, 'capture-output': true };
  const { pid } = await askAgent(at, guest, 'guest-exec', started, { arguments: given, signal });
  const endsAt = performance.now() + timeoutMs;
  for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    await sleep(pauseMs, undefined, { signal });
    try {
      const now = await askAgent(at, guest, 'guest-exec-status', status, { arguments: { pid }, signal });
      if (now.exited) return resultOf(vm, path, now);
    } catch (error) {
      // A guest under load may be slow to answer; that is nothing that its program did.
      if (!nobodyAnswers(error) || performance.now() >= endsAt) throw error;
    }
    if (performance.now() >= endsAt) {
      throw unwilling(
        `cannot wait for ${path} in ${vm}: it did not end within ${Math.round(timeoutMs / 1_000)} s`,
        `It may still run, as process ${pid} of the guest: see what it waits for.`,
      );
    }
  }
}

function resultOf(vm: string, path: string, ended: z.infer<typeof status>): GuestExecResult {
  if (ended.exitcode === undefined)
    throw unwilling(`cannot have ${path} done in ${vm}: it was ended by signal ${ended.signal ?? '?'}`);
  const text = (data: string | undefined) =>
    Buffer.from((data ?? '').slice(0, Math.ceil((MOST_OUTPUT_BYTES * 4) / 3)), 'base64')
      .subarray(0, MOST_OUTPUT_BYTES)
      .toString('utf8');
  return { exitCode: ended.exitcode, stdout: text(ended['out-data']), stderr: text(ended['err-data']) };
}

export async function guestTrim(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<TrimmedFilesystem[]> {
  const { paths } = await askAgent(at, await guestOf(at, vm, signal), 'guest-fstrim', trimmed, { signal });
  return outermost(paths).map((each) => ({
    path: each.path,
    trimmedBytes: each.error === undefined ? (each.trimmed ?? null) : null,
    error: each.error ?? null,
  }));
}

export async function guestFilesystems(
  at: LibvirtConnection,
  vm: string,
  signal?: AbortSignal,
): Promise<GuestFilesystem[]> {
  return await askFilesystems(at, await guestOf(at, vm, signal), { signal });
}

/** @throws VmferryError as `askAgent`. */
export async function askFilesystems(
  at: LibvirtConnection,
  guest: { uuid: string; name: string },
  given: { seconds?: number; signal?: AbortSignal | undefined },
): Promise<GuestFilesystem[]> {
  const found = await askAgent(at, guest, 'guest-get-fsinfo', filesystems, given);
  return outermost(found.map((each) => ({ ...each, path: each.mountpoint }))).map((each) => {
    const { path, type, 'total-bytes': total = null, 'used-bytes': used = null } = each;
    const freeBytes = total === null || used === null ? null : Math.max(0, total - used);
    return { path, type, totalBytes: total, freeBytes };
  });
}

/** QEMU's agent names the root last. */
function outermost<T extends { path: string }>(all: readonly T[]): T[] {
  return [...all].sort((one, other) => one.path.length - other.path.length).slice(0, MOST_FILESYSTEMS);
}

/** @throws VmferryError `NotFound`. */
async function guestOf(
  at: LibvirtConnection,
  vm: string,
  signal?: AbortSignal,
): Promise<{ uuid: string; name: string }> {
  return { uuid: await at.virsh.uuid(vm, signal), name: vm };
}
