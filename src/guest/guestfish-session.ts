/**
 * Runs guestfish so that it ends with whoever talks with it: some seconds after standard input ended, what still runs of it
 * is killed, and with it the appliance. It has a session of its own, so that all of it is found, and so that no passphrase
 * is asked for at a terminal. The shell says of what was killed that it was, to whom nobody listens any more: that must not
 * end it before it has cleaned up. Answers go through a pipe, since guestfish opens its output by name, which a socket does not
 * allow. Arguments: libguestfs' backend settings, then options of guestfish.
 */
export const SESSION = `
umask 077
dir=$(mktemp -d "\${TMPDIR:-/tmp}/vmferry-guestfish-XXXXXX") || exit 1
mkfifo -- "$dir/in" "$dir/out" || exit 1
export LIBGUESTFS_TMPDIR="$dir" LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS="$1"
unset LIBGUESTFS_DEBUG LIBGUESTFS_TRACE LIBGUESTFS_APPEND
shift
exec 3<&0 </dev/null
cat <"$dir/out" & out=$!
setsid guestfish "$@" <"$dir/in" >"$dir/out" 3<&- & fish=$!
setsid sh -c 'cat <&3 >"$1/in"; sleep 5; kill -s KILL -- "-$2"' sh "$dir" "$fish" >/dev/null 2>&1 & feed=$!
trap 'kill -s KILL -- "-$fish"' TERM INT HUP
trap : PIPE
wait "$fish"; code=$?
kill -s KILL -- "-$feed" 2>/dev/null
kill -s KILL -- "-$fish" 2>/dev/null
wait "$out"
rm -rf -- "$dir"
exit "$code"`;
