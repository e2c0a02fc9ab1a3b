import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';

/** What the design names beside `migrateVm`. */
const PLANNED: readonly string[] = ['migrateWave', 'replicateVm', 'cloneVm', 'assessFleet'];

/**
 * Run for every workflow type that there is not: it fails at once, instead of being tried for ever.
 * @throws ApplicationFailure `NotSupported`, `NotFound`.
 */
export function refuseUnknown(): Promise<never> {
  const { workflowType } = workflowInfo();
  throw PLANNED.includes(workflowType)
    ? ApplicationFailure.nonRetryable(`${workflowType} is not supported yet; there is: migrateVm`, 'NotSupported')
    : ApplicationFailure.nonRetryable(
        `there is no workflow type ${JSON.stringify(workflowType)}; there is: migrateVm`,
        'NotFound',
      );
}
