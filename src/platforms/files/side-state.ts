import { posix } from 'node:path';
import type { SideState } from '../platform.js';
import type { Machine } from './machines.js';
import { readSmall, type Member } from './member.js';

/** UEFI variables are a few hundred KiB. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Whether the UEFI variables that libvirt's XML names lie beside it; null where it names none, or something else does. */
export async function hasNvram(machine: Machine, signal?: AbortSignal): Promise<boolean | null> {
  const { from, foreign } = machine;
  if (from.kind !== 'domain-xml' || foreign.vm.nvramPath === null) return null;
  const member = await open(machine, signal);
  await member?.close();
  return member !== null;
}

async function open({ from, foreign: { vm } }: Machine, signal?: AbortSignal): Promise<Member | null> {
  if (from.kind !== 'domain-xml' || vm.nvramPath === null) return null;
  return await from.files.open(posix.basename(vm.nvramPath), signal);
}

/** UEFI variables that lie beside libvirt's XML, as a raw file of the name that it gives. */
export async function readNvram(machine: Machine, signal?: AbortSignal): Promise<SideState> {
  const member = await open(machine, signal);
  if (!member) return { nvram: null, tpm: null };
  try {
    return { nvram: await readSmall(member, MOST_BYTES, signal), tpm: null };
  } finally {
    await member.close();
  }
}
