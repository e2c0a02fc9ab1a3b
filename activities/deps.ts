import type { Owner, SourceSite, TargetSite } from '../src/platforms/platform.js';
import type { VmferryConfig } from '../src/config.js';

export type Site = SourceSite & TargetSite;

/** What activities need of the process that they run in. */
export interface ActivityDeps {
  config: VmferryConfig;
  /** The site of that name, opened once a process. @throws VmferryError `NotFound`, naming those that exist. */
  site(name: string): Site;
  /** Id of the Temporal cluster, so that another cluster's resources are told from ours. */
  cluster: string;
  /** Whether the workflow that owns something still runs. @throws VmferryError `Unreachable`. */
  workflowRuns(owner: Owner): Promise<boolean>;
  /** Absolute folder for reports and evidence. */
  reports: string;
}
