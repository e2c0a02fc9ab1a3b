/**
 * For scripts that run a program with libguestfs in a session of its own, led by the process `led`, with their folder `dir`
 * as its LIBGUESTFS_TMPDIR. \`end_all\` kills all of it, and \`clear_sockets\` removes what such an end leaves behind: root's
 * sockets lie in /tmp, whatever is set (guestfs(3), "guestfs_get_sockdir"), which QEMU's command line tells.
 */
export const END_SESSION = `
sockets=
end_all() {
  for each in $(grep -lsF "LIBGUESTFS_TMPDIR=$dir" /proc/[0-9]*/environ); do
    sockets="$sockets $(tr '\\0' '\\n' 2>/dev/null <"\${each%environ}cmdline" |
      sed -n 's|.*path=\\(/[^ ,]*/libguestfs[A-Za-z0-9]*\\)/guestfsd\\.sock.*|\\1|p')"
  done
  kill -s KILL -- "-$led"
}
clear_sockets() {
  for each in $sockets; do rm -f -- "$each/guestfsd.sock" "$each/console.sock"; rmdir -- "$each"; done 2>/dev/null
}
`;

/**
 * Runs guestfish so that it ends with whoever talks with it: some seconds after standard input ended, what still runs of it
 * is killed, and with it the appliance. It has a session of its own, so that all of it is found, and so that no passphrase
 * is asked for at a terminal. The shell says of what was killed that it was, to whom nobody listens any more: that must not
 * end it before it has cleaned up. Answers go through a pipe, since guestfish opens its output by name, which a socket does not
 * allow. Arguments: libguestfs' backend settings, then options of guestfish.
 */
export const SESSION = `${END_SESSION}
umask 077
dir=$(mktemp -d "\${TMPDIR:-/tmp}/vmferry-guestfish-XXXXXX") || exit 1
mkfifo -- "$dir/in" "$dir/out" || exit 1
export LIBGUESTFS_TMPDIR="$dir" LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS="$1"
unset LIBGUESTFS_DEBUG LIBGUESTFS_TRACE LIBGUESTFS_APPEND
shift
exec 3<&0 </dev/null
cat <"$dir/out" & out=$!
setsid guestfish "$@" <"$dir/in" >"$dir/out" 3<&- & led=$!
setsid sh -c 'cat <&3 >"$1/in"; sleep 5; kill -s TERM "$3" || kill -s KILL -- "-$2"' sh "$dir" "$led" $$ >/dev/null 2>&1 & feed=$!
trap end_all TERM INT HUP
trap : PIPE
wait "$led"; code=$?
kill -s KILL -- "-$feed" 2>/dev/null
end_all 2>/dev/null
wait "$out"
clear_sockets
rm -rf -- "$dir"
exit "$code"`;
