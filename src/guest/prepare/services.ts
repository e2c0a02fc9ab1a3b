import { VmferryError } from '../../errors.js';
import type { ServiceState } from '../../model/guest-inside.js';
import { LOCK_MS, runScript, valuesOf, type GuestAccess } from './script.js';

/**
 * Services of a guest: systemd (systemctl(1)), OpenRC (rc-service(8)), or scripts in /etc/init.d as the Linux Standard
 * Base has them (LSB core, "Init Script Actions": status 0 runs, 1 to 3 does not). Names are whatever the manager takes.
 */
const MANAGER = `
if [ -d "$root/run/systemd/system" ]; then manager=systemd
elif [ -e "$root/run/openrc/softlevel" ]; then manager=openrc
elif [ -d "$root/etc/init.d" ]; then manager=scripts
else refuse 'it has neither systemd nor OpenRC nor /etc/init.d'
fi
state() {
  case $manager in
  systemd)
    shown=$(systemctl show --property=LoadState --property=ActiveState -- "$1" 2>/dev/null) || { echo unclear; return; }
    case $shown in
      *LoadState=not-found*) echo unknown ;;
      *ActiveState=active*|*ActiveState=activating*|*ActiveState=reloading*|*ActiveState=refreshing*) echo active ;;
      *ActiveState=inactive*|*ActiveState=failed*|*ActiveState=deactivating*) echo inactive ;;
      *) echo unclear ;;
    esac
    return ;;
  openrc)
    rc-service --exists "$1" >/dev/null 2>&1 || { echo unknown; return; }
    rc-service "$1" status >/dev/null 2>&1 </dev/null ;;
  scripts)
    [ -x "$root/etc/init.d/$1" ] || { echo unknown; return; }
    "$root/etc/init.d/$1" status >/dev/null 2>&1 </dev/null ;;
  esac
  case $? in 0) echo active ;; 1|2|3|32) echo inactive ;; *) echo unclear ;; esac
}
act() {
  case $manager in
  systemd) set -- systemctl "$2" -- "$1" ;;
  openrc) set -- rc-service "$1" "$2" ;;
  scripts) set -- "$root/etc/init.d/$1" "$2" ;;
  esac
  did="$*"
  timeout "$seconds" "$@" >"$work/said" 2>&1 </dev/null
}
said() { tail -n 2 "$work/said" | tr '\\n' ' '; }
`;

const LOOK = `${MANAGER}
for name; do echo "$(state "$name") $name"; done`;

const STOP = `${MANAGER}
seconds=$1
shift
for name; do
  act "$name" stop
  status=$?
  [ "$status" != 124 ] || refuse "$name did not stop within $seconds s"
  now=$(state "$name")
  [ "$now" = inactive ] || refuse "$name is still $now after its stop (status $status): $(said)"
  echo "ran $did"
done`;

/** One that does not start keeps none of the others from it. */
const START = `${MANAGER}
seconds=$1
shift
for name; do
  if [ "$(state "$name")" = active ]; then echo "ok $name"; continue; fi
  act "$name" start
  status=$?
  if [ "$(state "$name")" = active ]; then echo "ok $name"
  else echo "failed $name it does not start (status $status): $(said)"
  fi
done`;

const LOOK_MS = 60_000;

export async function lookAtServices(
  guest: GuestAccess,
  names: readonly string[],
): Promise<Record<string, ServiceState>> {
  const lines = await runScript(guest, LOOK, names, {
    what: 'look at the services of the guest',
    timeoutMs: LOOK_MS,
    looks: true,
  });
  const states = ['active', 'inactive', 'unknown', 'unclear'] as const;
  const found = new Map(states.flatMap((state) => valuesOf(lines, state).map((name) => [name, state] as const)));
  return Object.fromEntries(names.map((name) => [name, found.get(name) ?? 'unclear']));
}

export interface StoppedService {
  name: string;
  /** Before this try. */
  was: ServiceState;
  /** What stopped it; null where it did not run. */
  command: string | null;
}

/**
 * Stops those that run, in the order given, each within `timeoutMs`, and sees them stopped. `note` is told before, so that
 * somebody knows what to start again whatever comes between. Those that do not run, or do not exist, are left alone.
 * @throws VmferryError `GuestUnwilling` naming the first that did not stop; those before it are.
 */
export async function stopServices(
  guest: GuestAccess,
  names: readonly string[],
  timeoutMs: number,
  note: (running: string[]) => Promise<void>,
): Promise<StoppedService[]> {
  const states = await lookAtServices(guest, names);
  const unclear = names.find((name) => states[name] === 'unclear');
  if (unclear !== undefined) {
    throw new VmferryError(
      'GuestUnwilling',
      `cannot stop the services of the guest: nobody can tell whether ${unclear} runs`,
      {
        remedy: 'See in the guest what its manager says of it, and resume; or abort.',
      },
    );
  }
  const running = names.filter((name) => states[name] === 'active');
  await note(running);
  const seconds = Math.ceil(timeoutMs / 1_000);
  const lines = await runScript(guest, STOP, [String(seconds), ...running], {
    what: 'stop the services of the guest',
    timeoutMs: running.length * seconds * 1_000 + LOCK_MS,
    remedy: 'Stop it by hand in the guest and resume, or abort: those that were stopped are started again.',
  });
  const ran = valuesOf(lines, 'ran');
  return names.map((name) => ({ name, was: states[name]!, command: ran[running.indexOf(name)] ?? null }));
}

export interface StartedService {
  name: string;
  /** Why it does not run, or null. */
  error: string | null;
}

/** Starts what does not run, the last stopped first. What cannot be started is told, and keeps nothing else from starting. */
export async function startServices(
  guest: GuestAccess,
  names: readonly string[],
  timeoutMs: number,
): Promise<StartedService[]> {
  if (names.length === 0) return [];
  const seconds = Math.ceil(timeoutMs / 1_000);
  const lines = await runScript(guest, START, [String(seconds), ...[...names].reverse()], {
    what: 'start the services of the guest again',
    timeoutMs: names.length * seconds * 1_000 + LOCK_MS,
  });
  const ok = valuesOf(lines, 'ok');
  const failed = new Map(
    valuesOf(lines, 'failed').map((line) => /^(\S+) ?(.*)$/.exec(line)!.slice(1) as [string, string]),
  );
  return names.map((name) => ({ name, error: ok.includes(name) ? null : (failed.get(name) ?? 'nobody can tell') }));
}
