import { formatDuration } from './format.js';
import type { PackagePlan } from './package.js';

/** What is said of a migration's downtime, the same everywhere. */

interface Downtime {
  predictedDowntimeMs: number | null;
  downtimeMs: number | null;
  /** Not null where the target starts nothing. */
  package?: PackagePlan | null | undefined;
}

export function predictedInWords({ predictedDowntimeMs: ms, ...of }: Downtime, unknown: string): string {
  if (of.package) return 'none: nothing is started at the target';
  return ms === null ? unknown : formatDuration(ms);
}

export function measuredInWords({ downtimeMs: ms, ...of }: Downtime, unknown: string): string {
  if (of.package) return 'none: nothing was started at the target';
  return ms === null ? unknown : formatDuration(ms);
}
