/**
 * What runs at the site while a point in time is open. All scripts are constants for a POSIX sh; names and paths are
 * arguments. They must not depend on the worker: it may be killed between any two of their lines.
 */

/** Says by its status whether the point's backup job runs: 0 yes, 1 no, 2 cannot tell. Wants `uri`, `uuid`, `name`. */
const MINE = `
v() { virsh --quiet --connect "$uri" "$@"; }
mine() {
  job=$(v backup-dumpxml --domain "$uuid" 2>&1) && case $job in *"/$name/nbd.sock'"*) return 0 ;; *) return 1 ;; esac
  case $job in *"no domain backup job"*|*"failed to get domain"*) return 1 ;; esac
  return 2
}
clear_scratch() { rm -rf -- "$scratch/$name"; }
`;

/**
 * Watches one backup job: ends it when scratch runs short or its worker is gone, and itself with the job. The reserve is
 * given back first, so that the guest has room while the job ends.
 */
export const WATCH_JOB = `
uri=$1 uuid=$2 name=$3 scratch=$4 folder=$5 floor=$6 lease=$7
${MINE}
finish() {
  printf '%s' "$1" >"$folder/ended"
  rm -f -- "$scratch/$name/reserve"
  for try in 1 2 3 4 5 6 7 8 9 10; do
    mine
    case $? in
      0) v domjobabort --domain "$uuid" ;;
      1) break ;;
    esac
    sleep 1
  done
  clear_scratch
  exit 0
}
echo $$ >"$folder/watcher"
seen=no tick=0
while [ -d "$folder" ] && [ ! -e "$folder/ended" ]; do
  set -- $(stat -f -c '%a %S' -- "$scratch")
  [ $(($1 * $2)) -ge "$floor" ] || finish scratch
  if [ $((tick % 10)) -eq 0 ]; then
    [ $(($(date +%s) - $(stat -c %Y "$folder/lease"))) -le "$lease" ] || finish lease
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
 * else has thawed.
 */
export const THAW = `
uri=$1 uuid=$2 folder=$3 token=$4 seconds=$5
frozen() { [ "$(cat "$folder/frozen" 2>/dev/null)" = "$token" ]; }
tries=0
while frozen && [ "$tries" -lt "$((seconds * 2))" ]; do
  tries=$((tries + 1))
  sleep 0.5
done
tries=0
while frozen && [ "$tries" -lt 600 ]; do
  if virsh --quiet --connect "$uri" domfsthaw --domain "$uuid"; then rm -f -- "$folder/frozen"; exit 0; fi
  tries=$((tries + 1))
  sleep 1
done`;

/**
 * Takes a live point: watchdog and dead man's thaw first, then freeze, job, thaw. Prints \`taken\`, \`froze\`,
 * \`unquiesced\` (why) and \`status\` (\`again\`: the point stands already), and on standard error what virsh said.
 */
export const BEGIN = `
uri=$1 uuid=$2 name=$3 scratch=$4 folder=$5 reserve=$6 lease=$7 freeze=$8 seconds=$9
shift 9
watch=$1 thaw=$2 plan=$3 backup=$4 checkpoint=$5 owner=$6
umask 077
mkdir -p -- "$folder" && exec 9>"\${folder%/*}/$uuid.lock" && flock -w 60 9 || exit 1
${MINE}
if mine; then echo 'status again'; exit 0; fi
touch "$folder/lease" && rm -f -- "$folder/ended" || exit 1
printf '%s' "$plan" >"$folder/plan.json" || exit 1
printf '%s' "$backup" >"$folder/backup.xml" || exit 1
printf '%s' "$checkpoint" >"$folder/checkpoint.xml" || exit 1
sync -- "$folder/plan.json"
mkdir -p -- "$scratch/$name" && chown -- "$owner" "$scratch/$name" || exit 1
floor=$reserve
if fallocate -l "$((reserve / 2))" -- "$scratch/$name/reserve" 2>/dev/null; then floor=$((reserve / 2)); fi
setsid sh -c "$watch" vmferry-watch "$uri" "$uuid" "$name" "$scratch" "$folder" "$floor" "$lease" </dev/null >/dev/null 2>&1 9>&- &
# The dead man's thaw is not needed any more; it is the leader of a process group of its own.
thawed() { rm -f -- "$folder/frozen"; kill -- "-$thawer" 2>/dev/null; }
froze=no unquiesced=
if [ "$freeze" != no ]; then
  token=$name.$$.$(date +%s%N)
  printf '%s' "$token" >"$folder/frozen"
  setsid sh -c "$thaw" vmferry-thaw "$uri" "$uuid" "$folder" "$token" "$seconds" </dev/null >/dev/null 2>&1 9>&- &
  thawer=$!
  said=$(timeout 12 virsh --connect "$uri" domfsfreeze --domain "$uuid" 2>&1)
  case $? in
    0) froze=yes ;;
    # It may freeze yet: the dead man's thaw goes on trying.
    124) froze=unknown; said='the guest agent did not freeze in time' ;;
    # An agent that does not answer was asked nothing; one that fails has thawed by itself.
    *) froze=failed; thawed ;;
  esac
  [ "$froze" = yes ] || unquiesced="not quiesced: $(echo "$said" | tail -n 1)"
fi
status=1
taken=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
echo "taken $taken"
if [ "$froze" = yes ] || [ "$freeze" != required ]; then
  set -- --domain "$uuid" --backupxml "$folder/backup.xml"
  [ -s "$folder/checkpoint.xml" ] && set -- "$@" --checkpointxml "$folder/checkpoint.xml"
  said=$(virsh --quiet --connect "$uri" backup-begin "$@" 2>&1)
  status=$?
fi
if [ "$froze" = yes ]; then
  [ "$(cat "$folder/frozen" 2>/dev/null)" = "$token" ] || froze=late
  answer=$(virsh --connect "$uri" domfsthaw --domain "$uuid" 2>&1) && thawed
  case $answer in *'Thawed 0 '*) froze=none ;; esac
  case $froze in
    late) unquiesced='not quiesced: the freeze was over before the point was taken' ;;
    none) unquiesced='not quiesced: the guest agent found no file system to freeze' ;;
  esac
fi
if [ "$status" = 0 ]; then
  printf '%s\\n%s\\n' "$froze" "$unquiesced" >"$folder/froze"
  echo "$taken" >"$folder/taken"
else
  printf begin >"$folder/ended"
  clear_scratch
fi
echo "froze $froze"
echo "unquiesced $unquiesced"
echo "status $status"
printf '%s' "$said" >&2
exit 0`;

/**
 * Goes on with a live point: sees that it is watched, and prints when it was taken and whether frozen. Status 44 when it
 * is being ended.
 */
export const ATTACH = `
uri=$1 uuid=$2 name=$3 scratch=$4 folder=$5 reserve=$6 lease=$7 watch=$8
touch -c "$folder/lease"
[ -e "$folder/lease" ] && [ ! -e "$folder/ended" ] || exit 44
pid=$(cat "$folder/watcher" 2>/dev/null)
if ! grep -qszF -e "$folder" "/proc/\${pid:-0}/cmdline"; then
  setsid sh -c "$watch" vmferry-watch "$uri" "$uuid" "$name" "$scratch" "$folder" "$((reserve / 2))" "$lease" </dev/null >/dev/null 2>&1 &
fi
# Whoever took it may have been killed before it could say when.
cat "$folder/taken" 2>/dev/null || date -u -r "$folder/plan.json" +%Y-%m-%dT%H:%M:%S.%3NZ
cat "$folder/froze" 2>/dev/null
exit 0`;

/** Ends the exports of a stopped VM's disks when their worker is gone: one that nobody reads keeps the VM from starting. */
export const WATCH_EXPORTS = `
folder=$1 lease=$2
while [ -d "$folder" ]; do
  if [ $(($(date +%s) - $(stat -c %Y "$folder/lease"))) -gt "$lease" ]; then
    printf lease >"$folder/ended"
    for file in "$folder"/*.pid; do
      pid=$(cat "$file" 2>/dev/null) || continue
      grep -qszF -e "$folder/" "/proc/$pid/cmdline" && kill "$pid"
    done
    exit 0
  fi
  sleep 2
done`;

/**
 * Exports the disks of a stopped VM, one qemu-nbd each, which ends by itself with its last reader. Arguments in fours:
 * disk, format, path, bitmap to export (or nothing). What an earlier try exported is ended first.
 */
export const EXPORT = `
folder=$1 uuid=$2 plan=$3 lease=$4 watch=$5
shift 5
umask 077
mkdir -p -- "$folder" && exec 9>"\${folder%/*}/$uuid.lock" && flock -w 60 9 || exit 1
touch "$folder/lease" && rm -f -- "$folder/ended" || exit 1
for file in "$folder"/*.pid; do
  pid=$(cat "$file" 2>/dev/null) || continue
  if grep -qszF -e "$folder/" "/proc/$pid/cmdline"; then
    kill "$pid"
    while [ -e "/proc/$pid" ] && [ "$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null)" != Z ]; do sleep 0.05; done
  fi
  rm -f -- "$file"
done
printf '%s' "$plan" >"$folder/plan.json" || exit 1
setsid sh -c "$watch" vmferry-watch "$folder" "$lease" </dev/null >/dev/null 2>&1 9>&- &
while [ $# -ge 4 ]; do
  disk=$1 format=$2 path=$3 bitmap=$4
  shift 4
  qemu-nbd --read-only --format "$format" \${bitmap:+--bitmap "$bitmap"} --fork --shared 16 \\
    --pid-file "$folder/$disk.pid" --socket "$folder/$disk.sock" --export-name "$disk" "$path" 9>&- || exit 1
done`;

/**
 * Ends points by name: job, thaw, exports, scratch, folder; those of others stay. Nothing of it is an error when it is
 * gone already.
 */
export const END = `
uri=$1 uuid=$2 scratch=$3 points=$4
shift 4
${MINE}
if [ -n "$uuid" ] && [ -d "$points" ]; then exec 9>"$points/$uuid.lock" && flock -w 60 9 || exit 1; fi
for name; do
  folder=$points/$name
  tries=0
  while [ -n "$uuid" ] && [ "$tries" -lt 60 ]; do
    mine
    case $? in
      0) [ $((tries % 10)) -eq 0 ] && v domjobabort --domain "$uuid" ;;
      1) break ;;
    esac
    tries=$((tries + 1))
    # A job with nothing under way ends at once.
    if [ "$tries" -le 10 ]; then sleep 0.02; else sleep 0.2; fi
  done
  [ "$tries" -lt 60 ] || { echo "the backup job of $name does not end" >&2; exit 1; }
  if [ -e "$folder/frozen" ]; then
    v domfsthaw --domain "$uuid" >/dev/null 2>&1 && rm -f -- "$folder/frozen"
  fi
  for file in "$folder"/*.pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    grep -qszF -e "$folder/" "/proc/$pid/cmdline" && kill "$pid"
  done
  for file in "$folder"/*.pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    while grep -qszF -e "$folder/" "/proc/$pid/cmdline"; do sleep 0.05; done
  done
  clear_scratch
  # A guest that could not be thawed yet keeps its folder, so that the dead man's thaw goes on trying.
  [ -e "$folder/frozen" ] || rm -rf -- "$folder"
done`;

/** Tells the watchdog that the worker is alive. Status 44: the point was ended, and why is printed. */
export const KEEP_ALIVE = `
if [ -e "$1/ended" ]; then cat -- "$1/ended"; exit 44; fi
[ -e "$1/lease" ] || { printf gone; exit 44; }
exec touch -c -- "$1/lease"`;
