import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { MigrationStatus } from '../src/model/status.js';
import { buildReport, writeReport } from '../src/report/index.js';
import type { ActivityDeps } from './deps.js';
import { reportFolder } from './evidence-files.js';
import type { MigrationActivities } from './io.js';

export function reportActivities(deps: ActivityDeps): Pick<MigrationActivities, 'writeReport'> {
  return {
    async writeReport(status) {
      const folder = reportFolder(deps, status.migrationId);
      const { html } = await writeReport(folder, buildReport(status), await picturesOf(folder, status));
      return { path: html };
    },
  };
}

/** The evidence files that are still there; the report says of the others that they are missing. */
async function picturesOf(folder: string, status: MigrationStatus): Promise<Record<string, Uint8Array>> {
  const pictures: Record<string, Uint8Array> = {};
  for (const { path } of status.evidence) {
    if (path === null || path !== basename(path)) continue;
    const bytes = await readFile(join(folder, path)).catch(() => null);
    if (bytes) pictures[path] = bytes;
  }
  return pictures;
}
