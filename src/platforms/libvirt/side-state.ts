import { VmferryError } from '../../errors.js';
import type { SideState } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { readDomain } from './domain.js';
import { describeDomain } from './describe.js';

/** State beside the disks, as the site's tools keep it. */

const MISSING = 44;
/** UEFI variables are a few hundred KiB, a TPM's state less. */
const MAX_BYTES = 64 * 1024 * 1024;

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
  const { nvramPath, tpm } = describeDomain({ definition, live, disks: new Map() });
  const format = (live ?? definition).at('os/nvram')?.get('format') ?? 'raw';
  return {
    nvram: await read(at, format === 'qcow2' ? READ_QCOW2 : READ_RAW, nvramPath, signal),
    tpm: await read(at, READ_FOLDER, tpm?.statePath ?? null, signal),
  };
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
