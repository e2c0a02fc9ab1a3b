import { ApplicationFailure } from '@temporalio/workflow';
import type { Conversion } from '../../src/model/conversion.js';
import type { PackagePlan } from '../../src/model/package.js';
import type { Line } from '../line.js';
import { sourceSeen } from './cut-over.js';

/** Cures that a human brings, while the source stays as it is: nothing runs that waits for them. */
const WAIT_FOR = ['NoSpace', 'Denied', 'Unreachable'];

/**
 * At a target that runs no VMs, in place of start and probes: the verified replica, or the guest as it was converted over
 * it, becomes a package, which is read back. An error here leads back to the source.
 */
export async function writePackage(line: Line, plan: PackagePlan, converted: Conversion | null): Promise<void> {
  const { migration } = line;
  const { ref, marks, assessment } = migration;
  migration.enter('converting');
  migration.expect('package', ref.target, ref.targetName);
  marks.targetDefined = true;
  const { networks } = assessment;
  const description = converted?.description ?? assessment.description;
  const input = { ...ref, description, networks, package: plan };
  const write = (sourceConfirmedDown: boolean) =>
    line.cut('writePackage', ref.target, `write the package (${plan.kind})`, { ...input, sourceConfirmedDown });
  await sourceSeen(line, write, WAIT_FOR);
  migration.enter('validating');
  const prove = () => line.cut('provePackage', ref.target, 'read the package back', input);
  const { passed, results } = await sourceSeen(line, prove, WAIT_FOR);
  migration.addEvidence(results, []);
  marks.probesPassed = passed;
  if (passed) {
    migration.event('the package reads back as the same machine with the same content; nothing was started');
    return;
  }
  const failed = results.filter((each) => !each.passed).map((each) => `${each.probe}: ${each.detail}`);
  throw ApplicationFailure.nonRetryable(
    `the package does not read back as it was written: ${failed.join('; ')}`,
    'VerifyFailed',
    'The package is removed, and the source is as it was. Where disks differ, look at the storage of the target; where only the description does, ask for another kind of package, and report it.',
  );
}
