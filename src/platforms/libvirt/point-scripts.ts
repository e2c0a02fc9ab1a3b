import { DOMAIN_FUNCTIONS, EXPORT_FUNCTIONS } from './point-watch.js';

/** What begins, goes on with and ends a point in time at the site, in the manner of point-watch.ts. */

/** For scripts with `folder` and `uuid`: one at a time works on the points of a VM. */
const LOCK = 'exec 9>"${folder%/*}/$uuid.lock" && flock -w 60 9 || exit 1';

/** Replaces a file whole or not at all; cat says on standard error what a shell keeps to itself: no space left. */
const PUT = `
put() { printf '%s' "$2" | cat >"$1.new" && mv -f -- "$1.new" "$1"; }
`;

/**
 * Takes a live point: watchdog and dead man's thaw first, then freeze, job, thaw. Prints \`taken\`, \`froze\`,
 * \`unquiesced\` (why) and \`status\` (\`again\`: the point stands already), and on standard error what virsh said.
 */
export const BEGIN = `
uri=$1 uuid=$2 name=$3 scratch=$4 folder=$5 reserve=$6 lease=$7 freeze=$8 seconds=$9
shift 9
watch=$1 thaw=$2 plan=$3 backup=$4 checkpoint=$5 owner=$6
umask 077
mkdir -p -- "$folder" || exit 1
${LOCK}
${DOMAIN_FUNCTIONS}${PUT}
if mine; then echo 'status again'; exit 0; fi
# Without a lease the watchdog ends even where there is no room to say so.
fail() { rm -f -- "$folder/lease"; : >"$folder/ended"; clear_scratch; exit 1; }
touch "$folder/lease" && rm -f -- "$folder/ended" "$folder/taken" "$folder/froze" || exit 1
put "$folder/plan.json" "$plan" && put "$folder/backup.xml" "$backup" || fail
put "$folder/checkpoint.xml" "$checkpoint" || fail
sync -- "$folder/plan.json"
mkdir -p -- "$scratch/$name" && chown -- "$owner" "$scratch/$name" || fail
floor=$reserve
if fallocate -l "$((reserve / 2))" -- "$scratch/$name/reserve" 2>/dev/null; then floor=$((reserve / 2)); fi
setsid sh -c "$watch" vmferry-watch "$uri" "$uuid" "$name" "$scratch" "$folder" "$floor" "$lease" </dev/null >/dev/null 2>&1 9>&- &
# The dead man's thaw is not needed any more; it is the leader of a process group of its own.
thawed() { rm -f -- "$folder/frozen"; kill -- "-$thawer" 2>/dev/null; }
# Under the dead man's lock, so that no freeze comes after its thaw, whatever held this script up. timeout leaves the group
# of this script: what is sent to all of it does not end virsh, of which nothing would be known then.
ask() {
  exec 8<"$folder/thawer"
  flock -w 12 8 || exit 124
  [ "$(cat -- "$folder/frozen")" = "$token" ] || { echo 'the time for it was over before it began'; exit 1; }
  exec timeout 12 virsh --connect "$uri" domfsfreeze --domain "$uuid"
}
froze=no unquiesced=
# From here to the thaw nobody's leaving ends this script: neither the worker's nor the connection's.
trap : HUP INT TERM PIPE
if [ "$freeze" != no ]; then
  token=$name.$$.$(date +%s%N)
  # The dead man's thaw goes by it: where it cannot be written, nothing may be frozen.
  rm -f -- "$folder/thawer"
  put "$folder/frozen" "$token" || fail
  setsid sh -c "$thaw" vmferry-thaw "$uri" "$uuid" "$folder" "$token" "$seconds" </dev/null >/dev/null 2>&1 9>&- &
  thawer=$!
  waits=0
  until [ -e "$folder/thawer" ]; do
    waits=$((waits + 1))
    if [ "$waits" -gt 500 ]; then thawed; echo "the dead man's thaw does not start" >&2; fail; fi
    sleep 0.02
  done
  said=$(ask 2>&1)
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
echo "taken $taken"
echo "froze $froze"
echo "unquiesced $unquiesced"
echo "status $status"
printf '%s' "$said" >&2
exit 0`;

/**
 * Goes on with a live point, after whoever still takes it: sees that it is watched, and prints when it was taken and
 * whether frozen. Status 44 when it is being ended.
 */
export const ATTACH = `
uri=$1 uuid=$2 name=$3 scratch=$4 folder=$5 reserve=$6 lease=$7 watch=$8
touch -c "$folder/lease"
[ -e "$folder/lease" ] || exit 44
${LOCK}
[ -e "$folder/lease" ] && [ ! -e "$folder/ended" ] || exit 44
pid=$(cat "$folder/watcher" 2>/dev/null)
if ! grep -qszxF -e "$folder" "/proc/\${pid:-0}/cmdline"; then
  setsid sh -c "$watch" vmferry-watch "$uri" "$uuid" "$name" "$scratch" "$folder" "$((reserve / 2))" "$lease" </dev/null >/dev/null 2>&1 9>&- &
fi
# Whoever took it may have been killed before it could say when.
cat "$folder/taken" 2>/dev/null || date -u -r "$folder/plan.json" +%Y-%m-%dT%H:%M:%S.%3NZ
cat "$folder/froze" 2>/dev/null
exit 0`;

/**
 * Exports the disks of a stopped VM, one qemu-nbd each, which ends by itself with its last reader. Arguments in fours:
 * disk, format, path, bitmap to export (or nothing). What an earlier try exported is ended first.
 */
export const EXPORT = `
folder=$1 uuid=$2 plan=$3 lease=$4 watch=$5
shift 5
umask 077
mkdir -p -- "$folder" || exit 1
${LOCK}
${PUT}${EXPORT_FUNCTIONS}
touch "$folder/lease" && rm -f -- "$folder/ended" || exit 1
end_exports
put "$folder/plan.json" "$plan" || exit 1
setsid sh -c "$watch" vmferry-watch "$folder" "$lease" </dev/null >/dev/null 2>&1 9>&- &
while [ $# -ge 4 ]; do
  disk=$1 format=$2 path=$3 bitmap=$4
  shift 4
  qemu-nbd --read-only --format "$format" \${bitmap:+--bitmap "$bitmap"} --fork --shared 16 \\
    --pid-file "$folder/$disk.pid" --socket "$folder/$disk.sock" --export-name "$disk" -- "$path" 9>&- || {
    # qemu-nbd does not say that a full disk is the reason.
    put "$folder/room" "$disk"
    exit 1
  }
done`;

/**
 * Ends points by name: job, thaw, exports, scratch, folder; those of others stay. Nothing of it is an error when it is
 * gone already.
 */
export const END = `
uri=$1 uuid=$2 scratch=$3 points=$4
shift 4
${DOMAIN_FUNCTIONS}${EXPORT_FUNCTIONS}
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
  if [ -e "$folder/frozen" ]; then ! thaw || rm -f -- "$folder/frozen"; fi
  end_exports
  clear_scratch
  # A guest that could not be thawed yet keeps its folder, so that the dead man's thaw goes on trying.
  [ -e "$folder/frozen" ] || rm -rf -- "$folder"
done`;

/** Tells the watchdog that the worker is alive. Status 44: the point was ended, and why is printed. */
export const KEEP_ALIVE = `
if [ -e "$1/ended" ]; then cat -- "$1/ended"; exit 44; fi
[ -e "$1/lease" ] || { printf gone; exit 44; }
exec touch -c -- "$1/lease"`;

/** Whether the watchdog heard of a reset of the guest: status 0, else 44. */
export const WAS_RESET = '[ -s "$1/resets" ] || exit 44';
