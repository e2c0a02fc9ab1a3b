import { createHash } from 'node:crypto';
import { VmferryError } from '../../errors.js';
import type { Host } from '../../exec/host.js';

/** UEFI variables and TPM state of a VM that came here. */

/** Writes the variables; a store that is there is replaced. */
export async function writeNvram(host: Host, path: string, nvram: Buffer, signal?: AbortSignal): Promise<void> {
  const script = `set -eu; umask 077; cat > "$1.new"; [ "$(sha256sum < "$1.new" | cut -c1-64)" = "$2" ]
sync -- "$1.new"; mv -f -- "$1.new" "$1"`;
  const sha256 = createHash('sha256').update(nvram).digest('hex');
  await host.run('sh', ['-c', script, 'vmferry', path, sha256], { input: nvram, signal });
}

/** Where libvirt keeps the state of emulated TPMs (its qemu driver, virTPMCreateEmulatorStoragePath). */
const SWTPM = '/var/lib/libvirt/swtpm';

/** The archive may hold the state's folder or what is in it; what counts is where the state file lies. */
const PUT_TPM = `set -eu; umask 077; base=$1 name=$2 root=$3
user=$(sed -n 's/^[[:space:]]*swtpm_user[[:space:]]*=[[:space:]]*"\\(.*\\)".*/\\1/p' /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)
group=$(sed -n 's/^[[:space:]]*swtpm_group[[:space:]]*=[[:space:]]*"\\(.*\\)".*/\\1/p' /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)
mkdir -p -- "$root"; chmod 711 -- "$root"; rm -rf -- "$base.new"; mkdir -- "$base.new"
tar -x --no-same-owner --no-same-permissions -f - -C "$base.new"
file=$(find "$base.new" -type f -name '*.permall' | head -n 1)
[ -n "$file" ] || { echo 'the archive holds no state of a TPM' >&2; exit 1; }
rm -rf -- "$base"; mkdir -- "$base"; mv -- "$(dirname -- "$file")" "$base/$name.tmp"; mv -- "$base/$name.tmp" "$base/$name"
rm -rf -- "$base.new"; chmod 711 -- "$base"; chown -R "\${user:-tss}:\${group:-tss}" "$base/$name"`;

/** Puts a TPM's state where libvirt looks for that of the VM of this UUID. @throws VmferryError `HostileInput`. */
export async function writeTpm(
  host: Host,
  uuid: string,
  version: string,
  archive: Buffer,
  signal?: AbortSignal,
): Promise<void> {
  const args = [tpmFolder(uuid), version === '1.2' ? 'tpm1.2' : 'tpm2', SWTPM];
  await host.run('sh', ['-c', PUT_TPM, 'vmferry', ...args], { input: archive, signal });
}

export async function removeTpm(host: Host, uuid: string, signal?: AbortSignal): Promise<void> {
  await host.run('rm', ['-rf', '--', tpmFolder(uuid)], { signal });
}

function tpmFolder(uuid: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) return `${SWTPM}/${uuid.toLowerCase()}`;
  throw new VmferryError('HostileInput', `cannot use ${JSON.stringify(uuid)} as the UUID of a VM`);
}
