import {
  ApplicationFailure,
  isCancellation,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import {
  addCounts,
  NOTHING_COUNTED,
  type FleetCounts,
  type FleetStatus,
  type FleetSummary,
} from '../src/model/fleet.js';
import { formatCount } from '../src/model/format.js';
import { assessFleetRequest, type AssessFleetInput, type AssessFleetRequest } from '../src/request/assess-fleet.js';
import { activity, checkSites } from './activities.js';
import { fleetDetailsOf } from './fleet-details.js';
import { getFleetQuery, getFleetStatusQuery } from './messages.js';
import { migrationIdOf } from './migration-id.js';
import { searchKeys } from './migration.js';
import { requestFrom } from './request-from.js';
import { troubleOf } from './trouble.js';

/** VMs of one activity. Of 2,000 VMs there are 40 parts, which fit together into one input (2 MiB). */
const BATCH = 50;
const PART_CHARACTERS = 40_000;
const MOST_BLOCKED = 100;

export interface FleetResult {
  assessmentId: string;
  counts: FleetCounts;
  summary: FleetSummary;
  reportPath: string;
}

/**
 * Assesses many VMs of a site for one target, and changes nothing. Takes one request; ends with the summary and the path of
 * the report. Cancelling stops it. One VM that cannot be read is told as such; a wrong request fails at once.
 */
export async function assessFleet(input: AssessFleetInput): Promise<FleetResult> {
  const request = requestFrom(assessFleetRequest, input, 'assessFleet');
  const { source, target } = request;
  const { namespace, workflowId, firstExecutionRunId, startTime } = workflowInfo();
  const status: FleetStatus = {
    version: 1,
    assessmentId: migrationIdOf(namespace, workflowId, firstExecutionRunId),
    source,
    target,
    phase: 'surveying',
    startedAt: startTime.toISOString(),
    total: null,
    counts: NOTHING_COUNTED,
    blocked: [],
    summary: null,
    reportPath: null,
    error: null,
  };
  const parts: string[] = [];
  setHandler(getFleetStatusQuery, () => status);
  setHandler(getFleetQuery, () => ({ summary: status.summary, parts }));
  const show = (phase: FleetStatus['phase']) => {
    status.phase = phase;
    setCurrentDetails(fleetDetailsOf(status));
  };
  show('surveying');
  try {
    await checkSites({ source, target });
    upsertSearchAttributes([
      { key: searchKeys.phase, value: 'assessing' },
      { key: searchKeys.source, value: source },
      { key: searchKeys.target, value: target },
    ]);
    const result = await assessAll(request, status, parts, show);
    show('completed');
    upsertSearchAttributes([{ key: searchKeys.phase, value: 'completed' }]);
    return result;
  } catch (error) {
    if (isCancellation(error)) {
      show('cancelled');
      throw error;
    }
    status.error = troubleOf(error);
    show('failed');
    const { code, message, remedy } = status.error;
    throw ApplicationFailure.nonRetryable(remedy ? `${message}\n${remedy}` : message, code, remedy);
  }
}

async function assessAll(
  request: AssessFleetRequest,
  status: FleetStatus,
  parts: string[],
  show: (phase: FleetStatus['phase']) => void,
): Promise<FleetResult> {
  const { source, target } = request;
  const { assessmentId, startedAt } = status;
  // Where the copies of migrations run, and so their reports are, which tell how fast those were.
  const { vms, rate } = await activity('surveyFleet', target, 'patient', `survey ${source} and ${target}`, request);
  status.total = vms.length;
  show('assessing');
  for (let from = 0; from < vms.length; from += BATCH) {
    const names = vms.slice(from, from + BATCH);
    const summary = `assess ${formatCount(names.length, 'VM')}, from number ${from + 1} of ${vms.length}`;
    const input = { request, vms: names, rate, mostCharacters: PART_CHARACTERS };
    const batch = await activity('assessBatch', source, 'patient', summary, input);
    parts.push(batch.part);
    status.counts = addCounts(status.counts, batch.counts);
    status.blocked = [...status.blocked, ...batch.blocked].slice(0, MOST_BLOCKED);
    show('assessing');
  }
  show('reporting');
  const report = { assessmentId, request, rate, startedAt, parts };
  const { summary, path } = await activity('reportFleet', target, 'patient', 'put all together', report);
  status.summary = summary;
  status.reportPath = path;
  return { assessmentId, counts: status.counts, summary, reportPath: path };
}
