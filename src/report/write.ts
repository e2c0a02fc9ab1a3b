import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { VmferryError } from '../errors.js';
import { makeFolder } from '../file-trouble.js';
import { migrationReport, type MigrationReport } from '../model/report.js';
import type { Pictures } from './evidence.js';
import { renderHtml } from './html.js';

export interface WrittenReport {
  /** Absolute path of report.json. */
  json: string;
  /** Absolute path of report.html. */
  html: string;
}

/**
 * Writes `report.json`, `report.html` and the evidence files into `directory`, each replaced atomically and durably, so
 * that a reader never sees half a report. Writing the same report again is no error.
 * @param evidenceFiles contents by the `path` of their evidence, relative to the folder.
 * @throws VmferryError `Unsafe` for an evidence path that leads out of the folder.
 */
export async function writeReport(
  directory: string,
  report: MigrationReport,
  evidenceFiles: Pictures = {},
): Promise<WrittenReport> {
  const folder = resolve(directory);
  const checked = migrationReport.parse(report);
  for (const [name, bytes] of Object.entries(evidenceFiles)) await replaceFile(inside(folder, name), bytes);
  const json = join(folder, 'report.json');
  const html = join(folder, 'report.html');
  await replaceFile(json, `${JSON.stringify(checked, null, 2)}\n`);
  await replaceFile(html, renderHtml(checked, evidenceFiles));
  return { json, html };
}

function inside(folder: string, name: string): string {
  const path = resolve(folder, name);
  if (path.startsWith(folder + sep)) return path;
  throw new VmferryError(
    'Unsafe',
    `cannot write evidence ${JSON.stringify(name)}: it leads out of the report's folder`,
  );
}

/** Puts `content` in the place of what was there, all of it at once. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  await makeFolder(dirname(path));
  const beside = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(beside, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
