import { z } from 'zod';
import { VmferryError } from '../../errors.js';
import { createText, makeDirectory, readText, writeText } from '../../exec/files.js';
import type { Claim, ClaimNotes } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { readMark, removeMark, setMark } from './marks.js';

/**
 * A VM's claim: a file at the site, whose making decides who is first, and for people and other tools the same as
 * metadata of the domain. Both are looked at: the file may be elsewhere for another vmferry.
 */
export const CLAIM_URI = 'urn:vmferry:claim';

const claimText = z.object({
  migrationId: z.string(),
  workflowId: z.string(),
  cluster: z.string(),
  namespace: z.string(),
  vm: z.string(),
  claimedAt: z.string(),
  ran: z.enum(['yes', 'no']).optional(),
  autostart: z.enum(['yes', 'no']).optional(),
  stoppedServices: z.string().optional(),
  addedVirtio: z.literal('yes').optional(),
});

export function claimFolder(at: LibvirtConnection): string {
  return `${at.config.stateDir}/claims`;
}

export async function claim(at: LibvirtConnection, vm: string, wanted: Claim, signal?: AbortSignal): Promise<void> {
  const uuid = await at.virsh.uuid(vm, signal);
  const path = `${claimFolder(at)}/${uuid}.json`;
  await makeDirectory(at.host, claimFolder(at), { signal });
  if (!(await createText(at.host, path, `${JSON.stringify(wanted)}\n`, { signal }))) {
    const first = parseClaim(await readText(at.host, path, { signal }));
    if (first?.migrationId !== wanted.migrationId) throw claimed(vm, first);
  }
  const marked = markedClaim(await readMark(at, uuid, CLAIM_URI, signal));
  if (marked !== null && marked.migrationId !== wanted.migrationId) {
    await removeOwnFile(at, wanted.migrationId, signal);
    throw claimed(vm, marked);
  }
  if (marked === null) await setMark(at, uuid, CLAIM_URI, 'claim', attributesOf(wanted), signal);
}

export async function readClaim(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<Claim | null> {
  const uuid = await at.virsh.findUuid(vm, signal);
  if (uuid === null) return null;
  const path = `${claimFolder(at)}/${uuid}.json`;
  return (
    parseClaim(await readText(at.host, path, { signal })) ?? markedClaim(await readMark(at, uuid, CLAIM_URI, signal))
  );
}

/** The file first: of the two, it is the one that is read. */
export async function noteInClaim(
  at: LibvirtConnection,
  vm: string,
  migrationId: string,
  notes: ClaimNotes,
  signal?: AbortSignal,
): Promise<void> {
  const held = await readClaim(at, vm, signal);
  if (held?.migrationId !== migrationId) {
    throw new VmferryError(
      'Drift',
      `cannot note in the claim of ${vm} what is changed in it: migration ${migrationId} does not hold it`,
      {
        platform: 'libvirt',
        remedy: 'Abort, and start a new migration.',
      },
    );
  }
  const uuid = await at.virsh.uuid(vm, signal);
  await makeDirectory(at.host, claimFolder(at), { signal });
  const noted = Object.fromEntries(Object.entries({ ...held, ...notes }).filter(([, value]) => value !== ''));
  await writeText(at.host, `${claimFolder(at)}/${uuid}.json`, `${JSON.stringify(noted)}\n`, { signal });
  await setMark(at, uuid, CLAIM_URI, 'claim', attributesOf(claimText.parse(noted)), signal);
}

export async function releaseClaim(
  at: LibvirtConnection,
  vm: string,
  migrationId: string,
  signal?: AbortSignal,
): Promise<void> {
  const uuid = await at.virsh.findUuid(vm, signal);
  if (uuid !== null && markedClaim(await readMark(at, uuid, CLAIM_URI, signal))?.migrationId === migrationId) {
    await removeMark(at, uuid, CLAIM_URI, signal);
  }
  await removeOwnFile(at, migrationId, signal);
}

/** Found by what is in it, as the VM itself may be gone. */
async function removeOwnFile(at: LibvirtConnection, migrationId: string, signal?: AbortSignal): Promise<void> {
  const script = `
    for file in "$1"/*.json; do
      grep -qsF -- "\\"migrationId\\":\\"$2\\"" "$file" && rm -f -- "$file"
    done
    exit 0`;
  await at.host.run('sh', ['-c', script, 'sh', claimFolder(at), migrationId], { signal });
}

function attributesOf(wanted: Claim): Record<string, string> {
  return Object.fromEntries(Object.entries(wanted).filter((each): each is [string, string] => each[1] !== undefined));
}

export function parseClaim(text: string | null): Claim | null {
  if (text === null) return null;
  try {
    return claimText.parse(JSON.parse(text));
  } catch {
    // Made whole or not at all, so this is not one of ours: it claims the VM all the same.
    return { migrationId: '?', workflowId: '?', cluster: '?', namespace: '?', vm: '?', claimedAt: '?' };
  }
}

export function markedClaim(mark: ReadonlyMap<string, string> | null): Claim | null {
  return mark === null ? null : parseClaim(JSON.stringify(Object.fromEntries(mark)));
}

function claimed(vm: string, first: Claim | null): VmferryError {
  const who = first
    ? `migration ${first.migrationId} (workflow ${first.workflowId}, since ${first.claimedAt})`
    : 'another migration';
  return new VmferryError('AlreadyClaimed', `cannot claim the VM "${vm}": ${who} holds it`, {
    platform: 'libvirt',
    remedy: 'Finish or abort that migration. Where its workflow is gone, `vmferry recover` shows what is left of it.',
    details: { claim: first },
  });
}
