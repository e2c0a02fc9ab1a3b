import type { CopyRate } from '../src/model/estimate.js';
import type { FleetCounts, FleetSummary } from '../src/model/fleet.js';
import type { AssessFleetRequest } from '../src/request/assess-fleet.js';

/** What crosses between `assessFleet` and its activities. */

export interface FleetSurvey {
  /** Names of the VMs to assess, in order. */
  vms: string[];
  /** What copying is reckoned with. */
  rate: CopyRate;
}

export interface FleetBatch {
  counts: FleetCounts;
  /** Those that are blocked or could not be read. */
  blocked: string[];
  /** The VMs, packed (src/report/fleet-part.ts). */
  part: string;
}

export interface FleetReportInput {
  assessmentId: string;
  request: AssessFleetRequest;
  rate: CopyRate;
  startedAt: string;
  parts: string[];
}

/** Every activity of `assessFleet`; none changes anything but the report, so each may run twice and at once. */
export interface FleetActivities {
  /**
   * Which VMs of the source are asked for. Refuses what cannot be: sites that are no source or target, networks that are
   * not at the target, names that fit no VM, more VMs than one assessment takes (`InvalidRequest`, `NotSupported`).
   */
  surveyFleet(request: AssessFleetRequest): Promise<FleetSurvey>;
  /** Assesses some VMs; one that cannot be read is told as such. `mostCharacters`: of the part. */
  assessBatch(input: {
    request: AssessFleetRequest;
    vms: string[];
    rate: CopyRate;
    mostCharacters: number;
  }): Promise<FleetBatch>;
  /** Puts all together, and writes it as report.json and report.html into the reports folder of the worker. */
  reportFleet(input: FleetReportInput): Promise<{ summary: FleetSummary; path: string }>;
}
