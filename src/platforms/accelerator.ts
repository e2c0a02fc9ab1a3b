import type { Host } from '../exec/host.js';
import type { TargetFacts } from '../model/target.js';

/**
 * Lets a guest run for a moment at a site: a KVM device may be there and still not work, and QEMU may start with it and
 * its guest never execute an instruction; or KVM is there and interprets each of them (a nested host without hardware support
 * for it), so that a boot sector ends and no kernel ever does. So the guest has work to do.
 */

export type Accelerator = TargetFacts['accelerator'];

/** The guest is up in about a second; one that KVM never lets begin would run for ever. */
const SECONDS = 10;

/**
 * The boot sector is `mov ecx, 1 << 26; dec ecx; jnz -4; mov al, 0x10; out 0xf4, al; hlt`. The loop takes a twentieth of a
 * second on a processor, half a second in QEMU's emulation, and minutes where each instruction is interpreted (290,000
 * a second were seen). The device at that port ends QEMU with 2 * value + 1 (QEMU's hw/misc/debugexit.c), which it never does
 * by itself. Where this runs as root, QEMU runs as the user that libvirt runs it as (qemu.conf, `user` and `group`), since
 * that is who has to be let use KVM. The file is gone before QEMU starts, so nothing of it stays however this ends. Prints
 * `executed` where the guest did.
 */
const TRY = `
accelerator=$1 seconds=$2
qemu=$(command -v qemu-system-x86_64 || command -v kvm) || exit 0
ulimit -c 0
setting() {
  sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*\\"+\\{0,1\\}\\([^\\"]*\\)\\".*/\\1/p" /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1
}
run() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  for user in "$(setting user)" libvirt-qemu; do
    [ -n "$user" ] && groups=$(id -G -- "$user" 2>/dev/null) || continue
    group=$(setting group)
    run() {
      setpriv --reuid "$user" --regid "\${group:-\${groups%% *}}" --groups "$(echo "$groups" | tr ' ' ,)" -- "$@"
    }
    break
  done
fi
sector=$(mktemp) || exit 0
{ printf '\\146\\271\\000\\000\\000\\004\\146\\111\\165\\374\\260\\020\\346\\364\\364' && head -c 495 /dev/zero && printf '\\125\\252'; } >"$sector"
chmod 644 -- "$sector"
exec 3<"$sector"
rm -f -- "$sector"
run timeout -k 2 "$seconds" "$qemu" -machine "pc,accel=$accelerator" -cpu max -m 32 -nodefaults -no-user-config \\
  -display none -device isa-debug-exit,iobase=0xf4,iosize=4 -drive file=/dev/fd/3,format=raw,snapshot=on \\
  </dev/null >/dev/null 2>&1
[ $? -ne 33 ] || echo executed`;

/** Whether a guest was seen to run at the site with this accelerator, as the user that libvirt's guests run as. */
export async function executes(
  host: Host,
  wanted: Accelerator,
  signal?: AbortSignal,
  seconds = SECONDS,
): Promise<boolean> {
  const args = ['-c', TRY, 'sh', wanted, String(seconds)];
  const { stdout } = await host.run('sh', args, { signal, timeoutMs: (seconds + 20) * 1000 });
  return stdout.trim() === 'executed';
}

/** `kvm` only where a guest was seen to run with it. */
export async function accelerator(host: Host, signal?: AbortSignal): Promise<Accelerator> {
  return (await executes(host, 'kvm', signal)) ? 'kvm' : 'tcg';
}
