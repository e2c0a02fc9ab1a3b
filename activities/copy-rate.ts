import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { rateFrom } from '../src/checks/rate.js';
import type { CopyRate } from '../src/model/estimate.js';
import type { ActivityDeps } from './deps.js';

/** Of the reports that are kept, so many of the latest are looked at; nobody keeps more than those by far. */
const LATEST = 60;
const MOST_FOLDERS = 5_000;
/** A report of more than this is of no migration that ran as usual. */
const MOST_BYTES = 4 * 2 ** 20;
/** Shorter copies tell of their beginning rather than of the way. */
const LEAST_BYTES = 64 * 2 ** 20;

/** What is read of a report, of whatever version. */
const past = z.object({
  source: z.string(),
  target: z.string(),
  passes: z.array(
    z.object({ kind: z.string(), bytesRead: z.number(), durationMs: z.number(), resumedFromBytes: z.number() }),
  ),
});

/**
 * The rate to reckon a copy between two sites with, and where it is from: what the request states or limits, the limits of
 * the sites, and how fast former migrations of this worker's reports folder copied.
 */
export async function copyRateOf(
  { config, reports }: Pick<ActivityDeps, 'config' | 'reports'>,
  { source, target }: { source: string; target: string },
  asked: { assume?: string | undefined; bandwidth?: string | undefined },
): Promise<CopyRate> {
  const limits = Object.fromEntries(
    [source, target].flatMap((name) => {
      const limit = Object.hasOwn(config.sites, name) ? config.sites[name]?.bandwidth : undefined;
      return limit === undefined ? [] : [[name, limit]];
    }),
  );
  return rateFrom({ source, target, ...asked, limits, past: await pastRate(reports, source, target) });
}

/** How fast the first passes of former migrations between two sites were, all together. Null where none is known. */
export async function pastRate(
  reports: string,
  source: string,
  target: string,
): Promise<{ bytesPerSecond: number; migrations: number } | null> {
  const folders = await readdir(reports).catch(() => []);
  const files = await Promise.all(
    folders.slice(0, MOST_FOLDERS).map(async (folder) => {
      const path = join(reports, folder, 'report.json');
      const found = await stat(path).catch(() => null);
      return found?.isFile() && found.size <= MOST_BYTES ? { path, atMs: found.mtimeMs } : null;
    }),
  );
  const latest = files
    .filter((each) => each !== null)
    .sort((one, other) => other.atMs - one.atMs)
    .slice(0, LATEST);
  let [bytes, ms, migrations] = [0, 0, 0];
  for (const { path } of latest) {
    const report = await readReport(path);
    if (report?.source !== source || report.target !== target) continue;
    const seed = report.passes.find(({ kind, resumedFromBytes }) => kind === 'seed' && resumedFromBytes === 0);
    if (!seed || seed.bytesRead < LEAST_BYTES || seed.durationMs <= 0) continue;
    bytes += seed.bytesRead;
    ms += seed.durationMs;
    migrations += 1;
  }
  return migrations === 0 ? null : { bytesPerSecond: (bytes / ms) * 1000, migrations };
}

async function readReport(path: string): Promise<z.infer<typeof past> | null> {
  try {
    return past.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    // Somebody else's, or torn: of no use here, and no reason to fail.
    return null;
  }
}
