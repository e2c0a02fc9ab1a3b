import type { PreparationStep, PutBackResult } from '../../activities/io.js';
import type { PreparationRecord } from '../../src/model/status.js';
import type { PrepareGuest } from '../../src/request/prepare-guest.js';
import { parseDurationMs, parseSizeBytes } from '../../src/request/units.js';
import type { Line } from '../line.js';
import type { Migration } from '../migration.js';

/** Freed first, then what needs room, then what tells the disks of all that is free; the room that is left comes last. */
function stepsOf(asked: PrepareGuest): PreparationStep[] {
  return [
    ...(asked.freeSpace.length > 0 ? [{ kind: 'free-space' as const, sources: asked.freeSpace }] : []),
    ...(asked.virtioInInitramfs ? [{ kind: 'virtio-in-initramfs' as const }] : []),
    ...(asked.trim ? [{ kind: 'trim' as const }] : []),
    ...(asked.minFree ? [{ kind: 'check-space' as const, leastBytes: parseSizeBytes(asked.minFree)! }] : []),
  ];
}

const SUMMARIES: Record<PreparationStep['kind'], string> = {
  'free-space': 'free space in the guest',
  'virtio-in-initramfs': "build virtio into the guest's initramfs",
  trim: "trim the guest's file systems",
  'check-space': "look at the guest's free space",
};

/** Before the first pass: what the request asks to be changed in the running guest, and nothing where it asks for nothing. */
export async function prepareGuest(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, request, marks, assessment } = migration;
  const steps = request.prepareGuest ? stepsOf(request.prepareGuest) : [];
  if (steps.length === 0) return;
  if (!assessment.running) return migration.event(`${ref.vm} is off: nothing is prepared in its guest`);
  marks.guestPrepared = true;
  for (const step of steps) {
    const records = await line.step('prepareGuest', ref.source, SUMMARIES[step.kind], () => ({ ...ref, step }));
    migration.prepared(records);
    for (const { commands, result } of records)
      migration.event(`${SUMMARIES[step.kind]}: ${result}${commands.length > 0 ? ` (${commands.join('; ')})` : ''}`);
  }
}

/** After the last look at what answers, and before the guest itself is stopped. */
export async function stopServices(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, request, marks } = migration;
  const asked = request.prepareGuest;
  if (!asked || asked.stopServices.length === 0) return;
  marks.guestPrepared = true;
  marks.servicesStopped = true;
  const services = asked.stopServices;
  const input = () => ({ ...ref, services, timeoutMs: serviceTimeoutMs(migration) });
  const records = await line.step('stopServices', ref.source, `stop ${services.join(', ')} in the guest`, input);
  migration.prepared(records);
  migration.event(`services: ${records.map(({ subject, result }) => `${subject}: ${result}`).join('; ')}`);
}

/**
 * While the source runs again: its services are started, and with `traces` whatever else was left in the guest goes. What
 * cannot be put back is said, and keeps nothing else from going back. `again`: it was started once more since.
 */
export async function putBackGuest(line: Line, { traces = false, again = false } = {}): Promise<void> {
  const { migration } = line;
  const { ref, marks, status } = migration;
  const stopped = status.preparation.filter(({ action, putBackAt }) => action === 'stop-service' && putBackAt !== null);
  const services = again ? stopped.map(({ subject }) => subject) : [];
  const due = marks.servicesStopped || (traces && marks.guestPrepared) || services.length > 0;
  if (marks.sourceConfirmedDown || !due) return;
  // A human is asked once; after that it is left to people.
  let asked = false;
  const input = () => {
    const giveUp = asked;
    asked = true;
    return { ...ref, services, timeoutMs: serviceTimeoutMs(migration), traces, giveUp };
  };
  const result = await line.back('putBackGuest', 'source', `put back what was changed in ${ref.vm}`, input);
  if (result === null) return;
  notePutBack(migration, result, traces);
  if (result.services.every(({ error }) => error === null)) marks.servicesStopped = false;
  if (traces) marks.guestPrepared = false;
}

function notePutBack(migration: Migration, result: PutBackResult, traces: boolean): void {
  const now = new Date().toISOString();
  const { preparation } = migration.status;
  for (const { name, error } of result.services) {
    const known = preparation.find(({ action, subject }) => action === 'stop-service' && subject === name);
    const record = known ?? unknownStop(name, now);
    record.putBackAt = error === null ? now : null;
    record.putBack = error === null ? 'started again' : `not started: ${error}`;
    migration.prepared([record]);
    migration.event(
      error === null ? `${name} was started again in the guest` : `${name} has to be started by hand: ${error}`,
    );
  }
  const virtio = preparation.find(({ action }) => action === 'virtio-in-initramfs');
  if (!virtio || !traces) return;
  virtio.putBackAt = result.removed.length > 0 ? now : null;
  virtio.putBack =
    result.stays !== null
      ? `it stays: ${result.stays}`
      : result.removed.length > 0
        ? `${result.removed.join(', ')} removed; the initramfs stays until the next is built`
        : null;
  migration.prepared([virtio]);
}

/** The step that stopped it was lost before it could say so; the claim told. */
function unknownStop(subject: string, at: string): PreparationRecord {
  const rest = { at, commands: [], result: 'stopped', freedBytes: null, putBackAt: null, putBack: null };
  return { action: 'stop-service', subject, ...rest };
}

function serviceTimeoutMs({ request }: Migration): number {
  return parseDurationMs(request.prepareGuest!.serviceTimeout)!;
}
