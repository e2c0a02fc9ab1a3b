import { VmferryError } from '../../errors.js';
import type { SideState } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { readDomain } from './domain.js';
import { describeDomain } from './describe.js';

/** State beside the disks, as the site's tools keep it. */

const MISSING = 44;
/** UEFI variables are a few hundred KiB, a TPM's state less. */
const MAX_BYTES = 64 * 1024 * 1024;

const QCOW2_MAGIC = Buffer.from('QFI\xfb', 'latin1');

const READ_RAW = `[ -e "$1" ] || exit ${MISSING}; exec cat -- "$1"`;
/** qemu-img writes no image to a pipe, hence the file. */
const READ_QCOW2 = `
[ -e "$1" ] || exit ${MISSING}
umask 077
copy=$(mktemp) || exit 1
trap 'rm -f -- "$copy"' EXIT
qemu-img convert -f qcow2 -O raw -- "$1" "$copy" && cat -- "$copy"`;
const READ_FOLDER = `[ -d "$1" ] || exit ${MISSING}; exec tar -C "$1" -cf - .`;

export async function readSideState(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<SideState> {
  const { definition, live } = await readDomain(at, vm, signal);
  const { nvramPath, tpm, firmware } = describeDomain({ definition, live, disks: new Map() });
  const format = (live ?? definition).at('os/nvram')?.get('format');
  return {
    nvram:
      firmware === 'uefi' ? await readNvram(at, nvramPath ? [nvramPath] : defaultNvram(at, vm), format, signal) : null,
    tpm: await read(at, READ_FOLDER, tpm?.statePath ?? null, signal),
  };
}

/** The store as raw bytes. Without a format in the definition, what the file begins with tells (QEMU, docs/interop/qcow2). */
async function readNvram(
  at: LibvirtConnection,
  paths: readonly string[],
  format: string | null | undefined,
  signal?: AbortSignal,
): Promise<Buffer | null> {
  for (const path of paths) {
    const found = format === 'qcow2' ? null : await read(at, READ_RAW, path, signal);
    if (found !== null && !found.subarray(0, 4).equals(QCOW2_MAGIC)) return found;
    const unpacked = await read(at, READ_QCOW2, path, signal);
    if (unpacked !== null) return unpacked;
  }
  return null;
}

/**
 * Where libvirt keeps variables that the definition does not name: with automatic firmware the name stands only in the
 * running VM's XML (its qemu driver, qemuFirmwareEnsureNVRAM).
 */
function defaultNvram(at: LibvirtConnection, vm: string): string[] {
  if (new URL(at.virsh.uri).pathname !== '/session')
    return ['fd', 'qcow2'].map((ending) => `/var/lib/libvirt/qemu/nvram/${vm}_VARS.${ending}`);
  throw new VmferryError('NotSupported', `cannot find the UEFI variables of ${vm} at ${at.site}`, {
    platform: 'libvirt',
    remedy: 'Name them in its definition: <nvram>PATH</nvram>.',
  });
}

/** Null where the VM has none yet: both are made at its first start. */
async function read(
  at: LibvirtConnection,
  script: string,
  path: string | null,
  signal?: AbortSignal,
): Promise<Buffer | null> {
  if (path === null) return null;
  try {
    return await at.host.runBinary('sh', ['-c', script, 'sh', path], { signal, maxOutputBytes: MAX_BYTES });
  } catch (error) {
    if (error instanceof VmferryError && error.details['exitCode'] === MISSING) return null;
    throw error;
  }
}
