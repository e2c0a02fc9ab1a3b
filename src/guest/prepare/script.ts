import { VmferryError } from '../../errors.js';
import type { GuestExecOptions, GuestExecResult } from '../../model/guest-inside.js';

/** How preparation runs something in a guest: through its agent, or in a test in a folder. */
export type GuestExec = (
  command: readonly [string, ...string[]],
  options: GuestExecOptions,
) => Promise<GuestExecResult>;

export interface GuestAccess {
  exec: GuestExec;
  /** Names the folder in the guest's /run where a preparation keeps its notes until the next boot. */
  migrationId: string;
  /** The guest's root folder. Default `/`; a test has another. */
  root?: string;
}

/**
 * Before every script. All are constants for a POSIX sh with coreutils or busybox; what people named comes as arguments.
 */
const PRELUDE = `
root=$1 id=$2
shift 2
[ -n "$root" ] || PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
umask 077
run=$root/run
[ -d "$run" ] || run=$root/var/run
work=$run/vmferry-$id
refuse() { echo "$*" >&2; exit 40; }
`;

/**
 * Before those that change something: a folder for notes, and a lock on it, since a step that is tried again may meet the
 * one before, which goes on in the guest when its worker is gone. What they start must not inherit the agent's pipes, which
 * would be waited for as long as it runs.
 */
const LOCKED = `
mkdir -p -- "$work" || exit 1
# Whose number it is may be another's by now: ours have the migration's id among their arguments.
waits=0
until ln -s "$$" "$work/lock" 2>/dev/null; do
  holder=$(readlink "$work/lock")
  grep -qs -e "$id" "/proc/\${holder:-0}/cmdline" || rm -f -- "$work/lock"
  waits=$((waits + 1))
  [ "$waits" -lt 600 ] || refuse 'an earlier step of the preparation still runs in the guest'
  sleep 1
done
trap 'rm -f -- "$work/lock"' EXIT
# The command goes into the report, what it says into the error.
run() {
  "$@" >"$work/said" 2>&1 </dev/null || refuse "$* failed: $(tail -n 3 "$work/said" | tr '\\n' ' ')"
  echo "ran $*"
}
`;

/** How long a script may wait for the lock. */
export const LOCK_MS = 11 * 60_000;

/**
 * Runs one of our scripts in the guest, and gives the lines that it prints.
 * @param what follows "cannot".
 * @param looks it changes nothing, and takes no lock.
 * @throws VmferryError `GuestUnwilling` with the script's own words, or as the guest's agent.
 */
export async function runScript(
  guest: GuestAccess,
  script: string,
  args: readonly string[],
  { what, timeoutMs, remedy, looks = false }: { what: string; timeoutMs: number; remedy?: string; looks?: boolean },
): Promise<string[]> {
  const whole = looks ? PRELUDE + script : PRELUDE + LOCKED + script;
  const command = ['/bin/sh', '-c', whole, 'vmferry', guest.root ?? '', guest.migrationId, ...args] as const;
  const { exitCode, stdout, stderr } = await guest.exec(command, { timeoutMs });
  if (exitCode === 0) return stdout.split('\n').filter((line) => line !== '');
  const said = stderr.trim().split('\n').pop()!.slice(0, 500) || `exit status ${exitCode}`;
  throw new VmferryError('GuestUnwilling', `cannot ${what}: ${said}`, remedy === undefined ? {} : { remedy });
}

/** What stands behind `word` in the lines that begin with it. */
export function valuesOf(lines: readonly string[], word: string): string[] {
  return lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
}
