import { ApplicationFailure, patched } from '@temporalio/workflow';
import { blockers } from '../../src/model/finding.js';
import { formatCount } from '../../src/model/format.js';
import { checkSites } from '../activities.js';
import type { Line } from '../line.js';

/** Looks at everything before anything is touched; stops on what is blocking and not waived by name. */
export async function assess(line: Line): Promise<void> {
  const { migration } = line;
  const { status, carried, request, ref } = migration;
  // `patched` can go with the last migration that was begun before 2026-12.
  if (patched('check-sites')) {
    migration.sitesExist = false;
    await checkSites(ref);
    migration.sitesExist = true;
  }
  // Whoever only wants to know is told at once.
  const waitFor = request.dryRun ? [] : ['Unreachable', 'Denied'];
  const assessment = await line.first('assess', ref.source, `assess ${ref.vm}`, { ref, request }, waitFor);
  carried.assessment = assessment;
  carried.lastInstance = assessment.instance;
  status.findings = assessment.findings;
  if (assessment.estimate) status.estimate = assessment.estimate;
  if (assessment.package) status.package = assessment.package;
  status.disks = assessment.disks.map((disk) => ({
    name: disk.id,
    sizeBytes: disk.sizeBytes,
    rootDigest: null,
    verifiedAt: null,
  }));
  const stops = blockers(assessment.findings);
  if (stops.length > 0 && !request.dryRun) {
    throw ApplicationFailure.nonRetryable(
      `cannot migrate ${ref.vm}: ${stops.map((each) => `${each.id}: ${each.message}`).join('; ')}`,
      'BlockingFindings',
      'Do what each finding says, or waive it in the request: "waive": {"<id>": "<reason>"}.',
    );
  }
  if (assessment.package && request.rehearsal.enabled)
    migration.event('no rehearsal: the target keeps files and starts nothing');
  migration.event(`assessed: ${formatCount(assessment.findings.length, 'finding')}, ${stops.length} blocking`);
}

/** Claims the source and makes the empty replica; both stand in the ledger before they exist. */
export async function prepare(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, marks, assessment } = migration;
  migration.enter('preparing');
  migration.expect('claim', ref.source, ref.vm);
  marks.claimed = true;
  migration.expect('replica', ref.target, ref.migrationId);
  marks.replica = true;
  const { uuid } = assessment.description;
  const adopt = migration.request.adoptReplica ?? null;
  const input = () => ({ ...ref, uuid, disks: assessment.disks, adopt });
  const summary = `claim ${ref.vm}, ${adopt === null ? 'create the replica' : `adopt the replica of ${adopt}`}`;
  // A VM that another migration has is nothing to wait for.
  await line.step('prepare', ref.target, summary, input, ['AlreadyClaimed']);
  if (adopt !== null) migration.event(`adopted the replica of ${adopt}: the first pass writes only what differs`);
}
