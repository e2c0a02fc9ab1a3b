import { VmferryError } from '../../errors.js';
import { stderrOf, type Host, type RunResult } from '../../exec/host.js';

/**
 * One transaction on the working folder of a replica: a constant shell script that takes the folder's lock (flock(1)),
 * checks that the state file is the one the caller saw, does the steps in order, and replaces the state file by an atomic
 * rename. Many steps in one command keep the fixed cost of a pass small over ssh as well.
 */
export type Step =
  /** Becomes the writer; what another writer exports is ended. Exit 47 where a newer one is at work. */
  | readonly ['take', pass: string, attempt: string, nonce: string]
  /** Becomes the writer whoever was it. */
  | readonly ['seize', nonce: string]
  /** Goes on only as the writer of this nonce, else exit 47. */
  | readonly ['mine', nonce: string]
  /** Gives the writer's lock back and ends its exports, if it is still ours. */
  | readonly ['release', nonce: string]
  | readonly ['end-exports']
  | readonly ['drop', path: string]
  | readonly ['folder', path: string]
  /** Removes a working folder with all that is in it. */
  | readonly ['drop-folder', path: string]
  /** Exit 46 where the file is missing. */
  | readonly ['need', path: string]
  /** Exit 48 where an overlay stands in the folder. */
  | readonly ['standing', folder: string]
  /** Renames a file or folder; one that is gone was renamed before. Exit 45 where the new name is taken. */
  | readonly ['move', from: string, to: string]
  /** Exit 48 where something has the file open, or one in the folder. */
  | readonly ['unused', path: string]
  /** Makes an overlay over a base, where it is not there yet. */
  | readonly ['layer', path: string, base: string, baseFormat: string, clusterBytes: string]
  /** Makes an empty disk. */
  | readonly ['disk', path: string, format: string, sizeBytes: string]
  /** Merges everything from the layer down into the base; layers keep what they hold. */
  | readonly ['commit', layer: string, base: string]
  | readonly ['sync', path: string]
  /** Exit 49 where the file is there: what it stands for was undone for good. */
  | readonly ['alive', tombstone: string]
  | readonly ['touch', path: string]
  /** Has libvirt define the domain that comes as standard input. */
  | readonly ['define', uri: string]
  /** Removes what tries left that never finished what they wrote beside the replica. */
  | readonly ['abandon']
  /** Exit 45 where the file is there. */
  | readonly ['absent', path: string]
  /** Replaces the state file by standard input; the digest tells whether all of it came (a caller may die meanwhile). */
  | readonly ['put', sha256: string]
  /** Keeps standard input as another file of the folder, in the same way. */
  | readonly ['keep', path: string, sha256: string]
  /** Removes every overlay of that role, also half-made ones. */
  | readonly ['drop-overlays', folder: string, role: string]
  | readonly ['export', name: string, exportName: string, format: string, cache: string, access: string, path: string];

/** What a script says of itself beside failing. */
export const EXIT = { none: 44, changed: 45, missing: 46, superseded: 47, standing: 48, undone: 49, busy: 75 } as const;

const SCRIPT = `
set -eu; umask 077
dir=$1 rt=$2 sha=$3; shift 3
[ -d "$dir" ] || exit 44
child=; trap '[ -z "$child" ] || kill "$child" 2>/dev/null || :; exit 143' TERM INT HUP
exec 9>>"$dir/lock"; flock -w 20 9 || { echo 'another step is at work on the replica' >&2; exit 75; }
# The folder may have been removed while this waited: then it is the lock of nothing.
[ "$dir/lock" -ef /dev/fd/9 ] || exit 44
state() { [ -e "$dir/replica.json" ] || exit 44; sha256sum < "$dir/replica.json" | cut -c1-64; }
if [ "$sha" != - ]; then now=$(state); [ "$now" = "$sha" ] || { cat -- "$dir/replica.json"; exit 45; }; fi
running() {
  for c in $(grep -lsF -e "--socket=$rt/" /proc/[0-9]*/cmdline); do
    p=\${c#/proc/}; p=\${p%/cmdline}
    [ "$(cat "/proc/$p/comm" 2>/dev/null)" != qemu-nbd ] || echo "$p"
  done
}
end_exports() {
  ps=$(running); [ -n "$ps" ] || return 0
  kill $ps 2>/dev/null || :; i=0
  while [ -n "$(running)" ]; do
    i=$((i+1)); [ $i -ne 30 ] || kill -9 $(running) 2>/dev/null || :
    [ $i -le 200 ] || { echo 'exports of an earlier try do not end' >&2; exit 1; }
    sleep 0.05
  done
}
save() {
  cat > "$1.new"; sync -- "$1.new"
  [ "$(sha256sum < "$1.new" | cut -c1-64)" = "$2" ] || { echo 'the new state was cut off' >&2; exit 1; }
  mv -f -- "$1.new" "$1"; sync -- "$dir"
}
holder() { hp=; ha=; hn=; if [ -e "$dir/holder" ]; then read -r hp ha hn < "$dir/holder" || :; fi; }
# cat says why a full disk takes nothing, which echo does not.
hold() { end_exports; echo "$1 $2 $3" | cat > "$dir/holder.new"; mv -f -- "$dir/holder.new" "$dir/holder"; }
attempt() { nbd "$@" > /dev/null 2> "$rt/$1.err" 9>&-; }
nbd() {
  case $5 in ro) ro=--read-only;; *) ro=;; esac
  rm -f -- "$rt/$1.sock"
  qemu-nbd --fork --shared=16 --export-name="$2" --socket="$rt/$1.sock" --format="$3" --cache="$4" --aio=threads \\
    --discard=unmap --detect-zeroes=unmap $ro -- "$6"
}
while [ $# -gt 0 ]; do case $1 in
take) holder
  if [ -n "$hp" ] && [ -n "$ha" ] && { [ "$hp" -gt "$2" ] || { [ "$hp" -eq "$2" ] && [ "$ha" -gt "$3" ]; }; } 2>/dev/null; then
    [ -z "$(running)" ] || exit 47
  fi
  hold "$2" "$3" "$4"; shift 4;;
seize) hold 0 0 "$2"; shift 2;;
mine) holder; [ "$hn" = "$2" ] || exit 47; shift 2;;
release) holder; if [ "$hn" = "$2" ]; then end_exports; rm -f -- "$dir/holder"; fi; shift 2;;
end-exports) end_exports; rm -f -- "$dir/holder"; shift;;
drop) rm -f -- "$2"; shift 2;;
folder) mkdir -p -- "$2"; chmod 711 -- "$2"; shift 2;;
abandon) rm -rf -- "$dir"/writing-*; shift;;
drop-folder) rm -rf -- "$2"; shift 2;;
need) [ -e "$2" ] || exit 46; shift 2;;
standing) for o in "$2"/rehearsal-*.qcow2 "$2"/cutover-*.qcow2; do [ ! -e "$o" ] || exit 48; done; shift 2;;
move) if [ -e "$2" ]; then
    [ ! -e "$3" ] || exit 45
    mv -nT -- "$2" "$3"; [ ! -e "$2" ] || exit 45; sync -- "$(dirname -- "$3")"
  fi; shift 3;;
unused) for o in "$2" "$2"/*; do
    [ ! -f "$o" ] || [ "$o" = "$dir/lock" ] || ! grep -q ":$(stat -c %i -- "$o") " /proc/locks || exit 48
  done; shift 2;;
layer) if [ ! -e "$2" ]; then
    qemu-img create -q -f qcow2 -b "$3" -F "$4" -o "cluster_size=$5" -- "$2.tmp" >&2; mv -f -- "$2.tmp" "$2"
  fi; shift 5;;
disk) rm -f -- "$2"; qemu-img create -q -f "$3" -- "$2" "$4" >&2; shift 4;;
commit) qemu-img commit -q -f qcow2 -t writeback -b "$3" -d -- "$2" >&2 & child=$!
  wait "$child"; child=; shift 3;;
sync) sync -- "$2"; shift 2;;
absent) [ ! -e "$2" ] || exit 45; shift 2;;
alive) [ ! -e "$2" ] || exit 49; shift 2;;
touch) touch -- "$2"; sync -- "$dir"; shift 2;;
define) cat | virsh --quiet --connect "$2" define --validate --file /dev/stdin >&2; shift 2;;
put) save "$dir/replica.json" "$2"; shift 2;;
keep) save "$2" "$3"; shift 3;;
drop-overlays) rm -f -- "$2/$3"-*.qcow2 "$2/$3"-*.qcow2.tmp; shift 3;;
export) mkdir -p -- "$rt"
  if ! attempt "$2" "$3" "$4" "$5" "$6" "$7"; then
    if [ "$5" = none ] && grep -qi -e O_DIRECT -e 'invalid argument' "$rt/$2.err" && attempt "$2" "$3" "$4" writeback "$6" "$7"; then
      echo no-direct
    else cat -- "$rt/$2.err" >&2; end_exports; exit 1; fi
  fi; rm -f -- "$rt/$2.err"; shift 7;;
*) echo "unknown step $1" >&2; exit 2;;
esac; done`;

export interface Transaction {
  /** The site's, for errors. */
  platform: string;
  /** The folder that holds the state file and the lock. */
  folder: string;
  /** Where exports have their sockets. */
  runtimeDir: string;
  /** Digest of the state file as the caller saw it; null where it does not matter. */
  seen: string | null;
  steps: readonly Step[];
  /** What the steps `put`, `keep` and `define` take: the new state file, the file's text, the definition. */
  state?: string;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
}

/**
 * Runs a transaction. Exit codes other than those of `EXIT` are errors.
 * @throws VmferryError `NoSpace` where a disk is full (the state file is as it was), else as `Host.run`.
 */
export async function transact(host: Host, transaction: Transaction): Promise<RunResult> {
  const { platform, folder, runtimeDir, seen, steps, state, signal, timeoutMs } = transaction;
  const result = await run(host, platform, [folder, runtimeDir, seen ?? '-', ...steps.flat()], {
    ...(state === undefined ? {} : { input: state }),
    ...(signal ? { signal } : {}),
    timeoutMs: timeoutMs ?? 120_000,
    okExitCodes: [0, ...Object.values(EXIT)],
  });
  if (result.exitCode === EXIT.busy) {
    throw new VmferryError('Timeout', `cannot work on ${folder}: another step is at work on it`, { platform });
  }
  return result;
}

async function run(
  host: Host,
  platform: string,
  args: string[],
  options: Parameters<Host['run']>[2],
): Promise<RunResult> {
  try {
    return await host.run('sh', ['-c', SCRIPT, 'vmferry', ...args], options);
  } catch (error) {
    throw briefly(error, platform, args[0] ?? '', host);
  }
}

/** The error without the script in its message, and `NoSpace` where that is what happened. */
function briefly(error: unknown, platform: string, folder: string, host: Host): unknown {
  if (!(error instanceof VmferryError) || error.code === 'Unreachable') return error;
  const stderr = stderrOf(error).trim();
  if (/no space left on device|disk quota exceeded/i.test(stderr)) {
    return new VmferryError('NoSpace', `cannot write to ${folder} on ${host.name}: no space is left`, {
      platform,
      remedy: 'Make room in that file system, then resume. Nothing that was copied is lost.',
      details: error.details,
    });
  }
  const why = stderr || error.message.slice(-200);
  return new VmferryError(error.code, `cannot work on ${folder} on ${host.name}: ${why}`, {
    platform,
    details: error.details,
  });
}
