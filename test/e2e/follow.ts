import { setTimeout as sleep } from 'node:timers/promises';
import type { HeartbeatDetails } from '../../src/model/status.js';
import type { Run } from '../run.js';
import { PATIENCE_MS } from './world.js';

/** What can be told of a migration while no worker runs: the server knows it. */

/** Waits for a phase, even one that is over soon. */
export async function reaches(run: Run, phase: string, patienceMs = PATIENCE_MS): Promise<void> {
  const endsAt = Date.now() + patienceMs;
  let seen: unknown;
  while (Date.now() < endsAt) {
    const { status, raw } = await run.handle.describe();
    const field = raw.workflowExecutionInfo?.searchAttributes?.indexedFields?.['VmferryPhase'];
    seen = field?.data ? JSON.parse(Buffer.from(field.data).toString()) : null;
    if (seen === phase || (Array.isArray(seen) && seen[0] === phase)) return;
    if (status.name !== 'RUNNING') throw new Error(`it ended as ${status.name}, never ${phase}`);
    await sleep(50);
  }
  throw new Error(`never ${phase}, but ${JSON.stringify(seen)}`);
}

/** Bytes that the running pass has done, as its heartbeats say; 0 when none runs. */
export async function doneBytes(run: Run): Promise<number> {
  const { raw } = await run.handle.describe();
  let sum = 0;
  for (const { heartbeatDetails } of raw.pendingActivities ?? []) {
    const data = heartbeatDetails?.payloads?.[0]?.data;
    if (!data) continue;
    const { disks } = JSON.parse(Buffer.from(data).toString()) as HeartbeatDetails;
    for (const disk of disks) sum += disk.doneBytes;
  }
  return sum;
}

/** Waits until the running pass has done so many bytes. */
export async function copies(run: Run, bytes: number, patienceMs = PATIENCE_MS): Promise<void> {
  const endsAt = Date.now() + patienceMs;
  while ((await doneBytes(run)) < bytes) {
    if (Date.now() > endsAt) throw new Error(`never copied ${bytes} bytes`);
    await sleep(100);
  }
}

/** Waits until a running step is at its try of that number. */
export async function retried(run: Run, attempt: number, patienceMs = PATIENCE_MS): Promise<void> {
  const endsAt = Date.now() + patienceMs;
  for (;;) {
    const { raw } = await run.handle.describe();
    if (raw.pendingActivities?.some((each) => (each.attempt ?? 0) >= attempt && each.heartbeatDetails)) return;
    if (Date.now() > endsAt) throw new Error(`no step came to its try number ${attempt}`);
    await sleep(100);
  }
}
