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

/** Bytes that the running pass has done, as its heartbeat says; 0 when none runs. */
export async function doneBytes(run: Run): Promise<number> {
  const { raw } = await run.handle.describe();
  const pass = raw.pendingActivities?.find((each) => each.activityType?.name === 'runPass');
  const data = pass?.heartbeatDetails?.payloads?.[0]?.data;
  if (!data) return 0;
  const { disks } = JSON.parse(Buffer.from(data).toString()) as HeartbeatDetails;
  return disks.reduce((sum, disk) => sum + disk.doneBytes, 0);
}

/** Waits until the running pass has done so many bytes. */
export async function copies(run: Run, bytes: number, patienceMs = PATIENCE_MS): Promise<void> {
  const endsAt = Date.now() + patienceMs;
  while ((await doneBytes(run)) < bytes) {
    if (Date.now() > endsAt) throw new Error(`never copied ${bytes} bytes`);
    await sleep(100);
  }
}
