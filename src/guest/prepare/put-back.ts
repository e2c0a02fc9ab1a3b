import { setTimeout as sleep } from 'node:timers/promises';
import type { VmSite } from '../../platforms/platform.js';
import { serviceName } from '../../request/prepare-guest.js';
import type { GuestAccess } from './script.js';
import { startServices, type StartedService } from './services.js';
import { removeTraces } from './virtio.js';

/** The way back from a preparation: for the workflow, and for `recover`, which has nothing but the claim. */

interface Noted {
  migrationId: string;
  stoppedServices?: string | undefined;
}

/** What a claim says of a guest's services; it lies at a site where others may write. */
export function stoppedServicesOf(claim: Noted | null, migrationId: string): string[] {
  if (claim?.migrationId !== migrationId) return [];
  return (claim.stoppedServices ?? '').split(' ').filter((name) => serviceName.safeParse(name).success);
}

/** What of a site this needs. */
export type GuestSite = Pick<VmSite, 'runState' | 'agentFacts' | 'guestExec'>;

export interface Silence {
  why: string;
  /** Waiting longer does not help. */
  final: boolean;
}

const ASK_AGAIN_MS = 2_000;

/** Waits for a guest that was just started. Null when it can be worked in. */
export async function awaitGuest(
  site: GuestSite,
  vm: string,
  patienceMs: number,
  signal: AbortSignal,
): Promise<Silence | null> {
  for (const endsAt = performance.now() + patienceMs; ; await sleep(ASK_AGAIN_MS, undefined, { signal })) {
    const run = await site.runState(vm, signal);
    if (run?.state !== 'running') return { why: 'the guest does not run', final: true };
    if ((await site.agentFacts(vm, signal))?.mayExec) return null;
    if (performance.now() >= endsAt)
      return { why: `its agent did not answer within ${Math.round(patienceMs / 60_000)} min`, final: false };
  }
}

/** Starts services and, with `traces`, removes what preparation left in the guest. */
export async function putBackIn(
  guest: GuestAccess,
  services: readonly string[],
  timeoutMs: number,
  traces: boolean,
): Promise<{ services: StartedService[]; removed: string[] }> {
  const started = await startServices(guest, services, timeoutMs);
  return { services: started, removed: traces ? await removeTraces(guest) : [] };
}
