import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActivityDeps } from './deps.js';
import type { Ref } from './io.js';

/** The folder of a migration's report and evidence: `<reports>/<migration id>`. */
export function reportFolder(deps: Pick<ActivityDeps, 'reports'>, migrationId: string): string {
  return join(deps.reports, migrationId);
}

/** Keeps a piece of evidence beside the report; gives its name there. A later one of the same name replaces it. */
export async function saveEvidence(deps: ActivityDeps, ref: Ref, name: string, bytes: Buffer): Promise<string> {
  const folder = reportFolder(deps, ref.migrationId);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), bytes);
  return name;
}
