import { VmferryError } from '../../errors.js';
import type { Host } from '../../exec/host.js';
import type { InspectedGuest } from '../../model/guest.js';
import type { VmDescription } from '../../model/vm.js';
import { xml } from '../../platforms/xml.js';
import { END_SESSION } from '../guestfish-session.js';

/**
 * virt-v2v-in-place(1): gives a guest the drivers of KVM, has it build its initramfs anew, and removes the tools of its old
 * platform. Nearly all of its time goes into the initramfs, which the guest's own programs build in libguestfs' appliance.
 */

export interface FullGuest {
  host: Host;
  accelerator: 'kvm' | 'tcg';
  /** Overlays, which are written to; in the order of the VM's disks. */
  disks: readonly { path: string; format: string }[];
}

/** Without KVM a conversion takes about ten minutes. */
const MOST_MS = 4 * 3_600_000;
const SAID_BYTES = 4000;

/**
 * Arguments: libguestfs' backend settings, the definition, virt-v2v's options. It ends with whoever started it: by the end of
 * standard input, over ssh too, and what virt-v2v and its nbdkit left in their temporary folder goes with it; the appliance,
 * which libguestfs would keep there too, stays where it is kept otherwise. Exit status: virt-v2v's.
 */
const SCRIPT = `${END_SESSION}
umask 077
command -v virt-v2v-in-place >/dev/null || exit 127
dir=$(mktemp -d "\${TMPDIR:-/tmp}/vmferry-v2v-XXXXXX") || exit 1
printf %s "$2" >"$dir/guest.xml"
export LIBGUESTFS_CACHEDIR="\${LIBGUESTFS_CACHEDIR:-\${TMPDIR:-/var/tmp}}" TMPDIR="$dir" LIBGUESTFS_TMPDIR="$dir"
export LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS="$1"
unset LIBGUESTFS_DEBUG LIBGUESTFS_TRACE LIBGUESTFS_APPEND
shift 2
exec 3<&0 </dev/null
setsid virt-v2v-in-place "$@" -i libvirtxml "$dir/guest.xml" 2>"$dir/said" 3<&- & led=$!
setsid sh -c 'cat <&3 >/dev/null; kill -s TERM "$2" || kill -s KILL -- "-$1"' sh "$led" $$ >/dev/null 2>&1 & watch=$!
trap end_all TERM INT HUP
trap : PIPE
wait "$led"; code=$?
kill -s KILL -- "-$watch" 2>/dev/null
end_all 2>/dev/null
clear_sockets
tail -c ${SAID_BYTES} "$dir/said" >&2
rm -rf -- "$dir"
exit "$code"`;

/** virt-v2v converts Red Hat's, SUSE's and Debian's families, and ALT (virt-v2v-support(1), "Guests"), and refuses other Linux. */
export function isKnownToFull({ os }: Pick<InspectedGuest, 'os'>): boolean {
  const format = os?.packageFormat ?? null;
  return format === null || format === 'rpm' || format === 'deb';
}

/** Whether virt-v2v-in-place is installed there, and what it has for Windows. */
export async function fullTools(host: Host, signal?: AbortSignal): Promise<{ linux: boolean; windows: boolean }> {
  const look = `command -v virt-v2v-in-place >/dev/null || exit 0
echo linux
for at in "\${VIRTIO_WIN:-/usr/share/virtio-win}" /usr/local/share/virtio-win; do [ ! -e "$at" ] || { echo windows; break; }; done`;
  const { stdout } = await host.run('sh', ['-c', look], { signal });
  return { linux: stdout.includes('linux'), windows: stdout.includes('windows') };
}

/**
 * Converts the guest on its overlays.
 * @throws VmferryError `ConversionFailed` with virt-v2v's last words; the overlays are of no use then.
 */
export async function convertFully(
  { host, accelerator, disks }: FullGuest,
  vm: VmDescription,
  root: string,
  signal?: AbortSignal,
): Promise<void> {
  const settings = accelerator === 'tcg' ? 'force_tcg' : '';
  const args = ['-c', SCRIPT, 'vmferry', settings, definition(vm, disks), '--root', root];
  const talk = await host.converse('sh', args);
  let said = '';
  const stop = () => void talk.stop(2_000);
  const timer = setTimeout(stop, MOST_MS);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    if (signal?.aborted) stop();
    const drain = async (stream: AsyncIterable<Buffer>) => {
      for await (const chunk of stream) said = (said + chunk.toString('utf8')).slice(-SAID_BYTES);
    };
    const [exitCode] = await Promise.all([talk.ended, drain(talk.stdout), drain(talk.stderr)]);
    if (signal?.aborted) throw new VmferryError('Cancelled', 'cannot go on converting the guest: it was cancelled');
    if (exitCode !== 0) throw failed(exitCode, said);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    await talk.stop(2_000);
  }
}

function failed(exitCode: number | null, said: string): VmferryError {
  const missing = exitCode === 127 && said.trim() === '';
  const why = missing ? 'virt-v2v-in-place is not installed there' : (lastError(said) ?? `it ended with ${exitCode}`);
  return new VmferryError('ConversionFailed', `cannot convert the guest by virt-v2v: ${why}`, {
    remedy: missing
      ? 'Install virt-v2v at the target, or ask for "conversion": "light".'
      : 'Run virt-v2v-in-place on a copy of its disks to see all that it says, or ask for "conversion": "light".',
    details: { said },
  });
}

function lastError(said: string): string | null {
  const errors = [...said.matchAll(/^virt-v2v-in-place: error: (.*)$/gm)].map(([, message]) => message ?? '');
  return errors.at(-1)?.slice(0, 500) ?? null;
}

/** What virt-v2v has to know (virt-v2v-in-place(1), "Minimal XML for -i libvirtxml option"). */
function definition(vm: VmDescription, disks: FullGuest['disks']): string {
  const uefi = vm.firmware === 'uefi';
  return xml(
    'domain',
    { type: 'kvm' },
    xml('name', {}, 'guest'),
    xml('memory', { unit: 'KiB' }, Math.ceil(vm.memoryBytes / 1024)),
    xml('vcpu', {}, vm.cpu.count),
    xml('os', { firmware: uefi ? 'efi' : null }, xml('type', { arch: 'x86_64' }, 'hvm')),
    xml('features', {}, xml('acpi'), xml('apic')),
    xml(
      'devices',
      {},
      ...disks.map(({ path, format }, index) =>
        xml(
          'disk',
          { type: 'file', device: 'disk' },
          xml('driver', { name: 'qemu', type: format }),
          xml('source', { file: path }),
          xml('target', { dev: `sd${String.fromCharCode(97 + index)}`, bus: 'scsi' }),
        ),
      ),
      ...vm.nics.map(({ mac, network }) =>
        xml(
          'interface',
          { type: 'network' },
          xml('mac', { address: mac }),
          xml('source', { network }),
          xml('model', { type: 'e1000' }),
        ),
      ),
    ),
  ).toString();
}
