import { quoteCommand } from '../../exec/quote.js';
import { runScript, valuesOf, type GuestAccess } from './script.js';

/**
 * Commands around a point in time. What those before it hold (a lock, a pause) must not depend on the worker: the ones
 * after are laid down in the guest first, and the guest runs them itself when nobody has done so in time. Whoever takes
 * the file away runs it, so that they run once.
 */
export interface TimedCommand {
  /** Program and arguments. */
  run: readonly string[];
  timeoutMs: number;
}

/** How long the guest waits beyond the time of the commands before: a point is taken within seconds. */
const DEAD_MAN_SECONDS = 60;

const BEFORE = `
seconds=$1 after=$2
shift 2
lay() { printf '%s\\n' "$after" >"$work/$1.new" && mv -f -- "$work/$1.new" "$work/$1" || refuse 'the commands for afterwards cannot be laid down'; }
# What an earlier try laid down is this one's to run.
rm -f -- "$work"/after-* "$work/late"
token=after-$$
lay "$token"
dead_man='sleep "$1"; if mv -- "$2/$3" "$2/late" 2>/dev/null; then sh "$2/late"; fi'
setsid sh -c "$dead_man" vmferry-after "$seconds" "$work" "$token" </dev/null >/dev/null 2>&1 &
for command; do
  sh -c "$command" >"$work/said" 2>&1 </dev/null
  status=$?
  [ "$status" = 0 ] || refuse "$command failed (status $status): $(tail -n 2 "$work/said" | tr '\\n' ' ')"
done`;

const AFTER = `
after=$1
if [ -e "$work/late" ]; then echo late; rm -f -- "$work/late"; fi
for file in "$work"/after-*; do
  [ ! -e "$file" ] || rm -f -- "$file"
done
sh -c "$after"`;

/** Each with its limit; timeout(1) of coreutils and busybox takes seconds. */
function lineOf({ run: [program = '', ...args], timeoutMs }: TimedCommand): string {
  return quoteCommand('timeout', [String(Math.ceil(timeoutMs / 1_000)), program, ...args]);
}

/** All of them, whatever becomes of each; one that fails says so. */
function allOf(commands: readonly TimedCommand[]): string {
  const lines = commands.map((each) => {
    const failed = quoteCommand('echo', [`failed ${each.run[0]}`]);
    return `${lineOf(each)} >/dev/null 2>&1 </dev/null || ${failed}`;
  });
  return [...lines, ':'].join('\n');
}

function sumMs(commands: readonly TimedCommand[]): number {
  return commands.reduce((sum, { timeoutMs }) => sum + timeoutMs, 0);
}

/**
 * Runs the commands before a point, in order, up to the first that fails.
 * @throws VmferryError `GuestUnwilling` naming that one. `runAfter` is due in either case.
 */
export async function runBefore(
  guest: GuestAccess,
  before: readonly TimedCommand[],
  after: readonly TimedCommand[],
): Promise<void> {
  const seconds = Math.ceil(sumMs(before) / 1_000) + DEAD_MAN_SECONDS;
  await runScript(guest, BEFORE, [String(seconds), allOf(after), ...before.map(lineOf)], {
    what: 'run the commands before the point in time',
    timeoutMs: sumMs(before) + MORE_MS,
    remedy: 'Mend the command in the guest and resume; sync.quiesce "auto" goes on without.',
  });
}

/** For the agent and the shell of a busy guest. */
const MORE_MS = 60_000;

/** Runs the commands after a point. @returns what was not as it should be, in words; empty where all is well. */
export async function runAfter(guest: GuestAccess, after: readonly TimedCommand[]): Promise<string[]> {
  const lines = await runScript(guest, AFTER, [allOf(after)], {
    what: 'run the commands after the point in time',
    timeoutMs: sumMs(after) + MORE_MS,
  });
  const late = lines.includes('late') ? ['the guest ran afterPoint by itself before the point was taken'] : [];
  return [...late, ...valuesOf(lines, 'failed').map((program) => `${program} of afterPoint failed`)];
}
