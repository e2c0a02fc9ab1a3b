import { Context } from '@temporalio/activity';
import type { FleetActivities } from '../../activities/fleet-io.js';
import { summarizeFleet, unreadable } from '../../src/checks/fleet.js';
import { rateFrom } from '../../src/checks/rate.js';
import { countOf } from '../../src/model/fleet.js';
import { packVms, unpackVms } from '../../src/report/fleet-part.js';
import { TARGET } from '../checks/facts.js';

const broken = { code: 'ToolFailed', message: 'no such image', remedy: null };
const vmOf = (name: string) => {
  const none = unreadable(name, broken);
  return name.startsWith('bad') ? none : { ...none, error: null, readiness: 'ready' as const };
};

/** A site whose VMs are all ready, but for those called bad…; it can fail, or hold its work until that is cancelled. */
export class FakeFleet implements FleetActivities {
  readonly batches: string[][] = [];
  failure: Error | null = null;
  holds = false;
  cancelled = false;
  constructor(readonly names: readonly string[]) {}

  surveyFleet: FleetActivities['surveyFleet'] = (request) => {
    if (this.failure) throw this.failure;
    return Promise.resolve({ vms: [...this.names], rate: rateFrom(request) });
  };

  assessBatch: FleetActivities['assessBatch'] = async ({ vms: names, mostCharacters }) => {
    this.batches.push(names);
    if (this.holds) await heldUntilCancelled().finally(() => (this.cancelled = true));
    const vms = names.map(vmOf);
    const blocked = vms.filter(({ readiness }) => readiness !== 'ready').map(({ name }) => name);
    return { counts: countOf(vms), blocked, part: packVms(vms, mostCharacters) };
  };

  reportFleet: FleetActivities['reportFleet'] = ({ request, rate, startedAt, parts, assessmentId }) => {
    const times = { startedAt, endedAt: new Date().toISOString() };
    const summary = summarizeFleet(parts.flatMap(unpackVms), { ...TARGET, boots: true }, request, rate, times);
    return Promise.resolve({ summary, path: `/reports/${assessmentId}/report.html` });
  };
}

async function heldUntilCancelled(): Promise<never> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 100);
  try {
    return await context.cancelled;
  } finally {
    clearInterval(beat);
  }
}
