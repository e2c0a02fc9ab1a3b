import { parseDurationMs } from '../../src/request/units.js';
import type { Line } from '../line.js';

/** A test boot of the replica on an overlay. What it took becomes the prediction; what it showed, evidence. */
export async function rehearse(line: Line): Promise<void> {
  const { migration } = line;
  const { status, carried, request, ref, assessment, marks } = migration;
  const before = status.phase;
  migration.enter('rehearsing');
  migration.expect('rehearsal', ref.target, `${ref.targetName}-rehearsal-${ref.migrationId}`);
  marks.rehearsal = true;
  status.work = 'rehearsal';
  migration.changed();
  try {
    const result = await line.step('rehearse', ref.target, `rehearse after pass ${status.passCount}`, () => ({
      ...ref,
      description: assessment.description,
      networks: assessment.networks,
      network: request.rehearsal.network ?? null,
      probes: request.probes ?? null,
      facts: assessment.facts,
      timeoutMs: parseDurationMs(request.rehearsal.timeout)!,
      startedAt: new Date().toISOString(),
      ...(assessment.conversion ? { conversion: assessment.conversion } : {}),
    }));
    marks.rehearsal = false;
    migration.removed('rehearsal');
    carried.rehearsal = result;
    if (result.conversion) migration.addConversion('rehearsal', result.conversion);
    migration.addEvidence(result.probes, result.evidence);
    migration.repredict();
    if (result.passed) {
      migration.event(`the rehearsal of pass ${status.passCount} passed`);
    } else {
      // Nothing goes on by itself on the evidence of a failed rehearsal.
      migration.withdrawApproval();
      migration.event('the rehearsal failed: a human has to look at the evidence and approve, or rehearse again');
    }
  } finally {
    status.work = 'idle';
    migration.enter(before === 'rehearsing' ? 'syncing' : before);
  }
}
