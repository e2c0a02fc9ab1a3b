/**
 * What stands by at the site while a point in time is open, and must not depend on the worker: it may be killed between
 * any two lines of the scripts. All are constants for a POSIX sh; names and paths are arguments.
 */

/**
 * For scripts with `uri`, `uuid`, `name` and `scratch`. `mine` says by its status whether the point's backup job runs: 0
 * yes, 1 no, 2 cannot tell. `thaw` fails where a guest may still be frozen; one that does not run is not.
 */
export const DOMAIN_FUNCTIONS = `
v() { virsh --quiet --connect "$uri" "$@"; }
mine() {
  job=$(v backup-dumpxml --domain "$uuid" 2>&1) && case $job in *"/$name/nbd.sock'"*) return 0 ;; *) return 1 ;; esac
  case $job in *"no domain backup job"*|*"failed to get domain"*) return 1 ;; esac
  return 2
}
clear_scratch() { rm -rf -- "$scratch/$name"; }
thaw() {
  thawing=$(v domfsthaw --domain "$uuid" 2>&1) && return 0
  case $thawing in *"domain is not running"*|*"failed to get domain"*) return 0 ;; esac
  return 1
}
`;

/**
 * `over` says whether nobody touched the lease for too long, by the uptime: the host's clock may be set in either
 * direction meanwhile. A lease that is gone is over.
 */
const LEASE_FUNCTIONS = `
heard= heard_at=
over() {
  [ -e "$folder/lease" ] || return 0
  last=$(stat -c %y -- "$folder/lease" 2>/dev/null) || return 1
  read -r uptime rest </proc/uptime
  uptime=\${uptime%%.*}
  if [ "$last" != "$heard" ]; then heard=$last heard_at=$uptime; fi
  [ $((uptime - heard_at)) -gt "$lease" ]
}
`;

/**
 * Watches one backup job: ends it when scratch runs short or its worker is gone, and itself with the job. The reserve is
 * given back first, so that the guest has room while the job ends. It does not leave before the job is seen ended.
 * Meanwhile it listens for resets of the guest, which leave no other trace, and writes them to `resets`; the listener
 * ends with it, however it ends (setpriv(1), prctl(2)).
 */
export const WATCH_JOB = `
uri=$1 uuid=$2 name=$3 scratch=$4 folder=$5 floor=$6 lease=$7
${DOMAIN_FUNCTIONS}${LEASE_FUNCTIONS}
finish() {
  rm -f -- "$scratch/$name/reserve"
  printf '%s' "$1" >"$folder/ended"
  while mine; [ $? -ne 1 ]; do
    v domjobabort --domain "$uuid"
    sleep 1
  done
  clear_scratch
  exit 0
}
# Space that cannot be told is not short.
room() {
  set -- $(stat -f -c '%a %S' -- "$scratch" 2>/dev/null)
  [ $# -ne 2 ] || [ $(($1 * $2)) -ge "$floor" ]
}
echo $$ >"$folder/watcher"
setpriv --pdeathsig TERM virsh --quiet --connect "$uri" event --domain "$uuid" --event reboot --loop >>"$folder/resets" 2>/dev/null </dev/null &
listener=$!
trap 'kill "$listener" 2>/dev/null' EXIT
seen=no tick=0
while [ -d "$folder" ] && [ ! -e "$folder/ended" ]; do
  room || finish scratch
  if [ $((tick % 10)) -eq 0 ]; then
    ! over || finish lease
    mine
    case $? in
      0) seen=yes ;;
      1) if [ "$seen" = yes ] || [ "$tick" -gt 240 ]; then finish gone; fi ;;
    esac
  fi
  tick=$((tick + 1))
  sleep 0.5
done`;

/**
 * Thaws the guest when whoever froze it has not done so in time, and goes on trying until it is done. Ends when somebody
 * else has thawed. It forks nothing to see whether it is still needed. That it stands by it says in the file `thawer`, which is
 * locked while the guest is frozen or thawed: whatever is held up, no freeze comes after the thaw.
 */
export const THAW = `
uri=$1 uuid=$2 folder=$3 token=$4 seconds=$5
${DOMAIN_FUNCTIONS}
frozen() {
  holds=
  read -r holds 2>/dev/null <"$folder/frozen"
  [ "$holds" = "$token" ]
}
exec 8>"$folder/thawer"
tries=0
while frozen && [ "$tries" -lt "$((seconds * 2))" ]; do
  tries=$((tries + 1))
  sleep 0.5
done
tries=0
while frozen; do
  flock -w 15 8
  if thaw; then rm -f -- "$folder/frozen"; exit 0; fi
  flock -u 8
  tries=$((tries + 1))
  if [ "$tries" -lt 600 ]; then sleep 1; else sleep 10; fi
done`;

/**
 * For scripts with `folder`. Ends the exports of a stopped VM's disks and sees them gone. A process is known by its
 * arguments: its number may be somebody else's by now.
 */
export const EXPORT_FUNCTIONS = `
serves() { pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && grep -qszxF -e "$1" "/proc/$pid/cmdline"; }
end_exports() {
  waits=0
  for file in "$folder"/*.pid; do ! serves "$file" || kill "$pid"; done
  for file in "$folder"/*.pid; do
    while serves "$file"; do
      waits=$((waits + 1))
      [ "$waits" -ne 100 ] || kill -9 "$pid"
      [ "$waits" -lt 400 ] || { echo "the process $pid, which exports a disk, does not end" >&2; exit 1; }
      sleep 0.05
    done
    rm -f -- "$file"
  done
}
`;

/** Ends the exports of a stopped VM's disks when their worker is gone: one that nobody reads keeps the VM from starting. */
export const WATCH_EXPORTS = `
folder=$1 lease=$2
${LEASE_FUNCTIONS}${EXPORT_FUNCTIONS}
while [ -d "$folder" ]; do
  if over; then
    printf lease >"$folder/ended"
    end_exports
    exit 0
  fi
  sleep 2
done`;
