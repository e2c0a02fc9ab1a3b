import { posix } from 'node:path';
import type { SideState } from '../platform.js';
import type { Machine } from './machines.js';
import { readSmall } from './member.js';

/** UEFI variables are a few hundred KiB. */
const MOST_BYTES = 64 * 1024 * 1024;

/** UEFI variables that lie beside libvirt's XML, as a raw file of the name that it gives. */
export async function readNvram({ from, foreign }: Machine, signal?: AbortSignal): Promise<SideState> {
  const { nvramPath } = foreign.vm;
  const member =
    from.kind === 'domain-xml' && nvramPath !== null ? await from.files.open(posix.basename(nvramPath), signal) : null;
  if (!member) return { nvram: null, tpm: null };
  try {
    return { nvram: await readSmall(member, MOST_BYTES, signal), tpm: null };
  } finally {
    await member.close();
  }
}
