import { loadConfig, type VmferryConfig } from '../config.js';
import { asVmferryError } from '../errors.js';
import { explained } from '../temporal.js';
import { columns, printJson, type Context } from './context.js';
import { temporalChecks } from './doctor-temporal.js';
import { siteChecks } from './doctor-site.js';
import { DONE, NOT_DONE } from './exit.js';
import type { Verbs } from './program.js';

/** One thing that was looked at. */
export interface Check {
  /** `vmferry`, `temporal` or a site's name. */
  where: string;
  what: string;
  /** `bad` keeps migrations from working; `note` is worth knowing. */
  result: 'good' | 'note' | 'bad';
  found: string;
  /** What to do; null where nothing has to be done. */
  remedy: string | null;
}

interface Options {
  config?: string;
  json?: boolean;
}

export function addDoctor(verbs: Verbs): void {
  verbs
    .verb('doctor', 'Check the configuration, every site and Temporal', 'vmferry doctor --json')
    .option('--config <file>', 'vmferry.yaml')
    .option('--json', 'print JSON')
    .action(verbs.action((options: Options) => doctor(verbs.context, options)));
}

async function doctor(context: Context, options: Options): Promise<number> {
  const checks: Check[] = [good('vmferry', 'node', process.version)];
  const config = await checked(checks, 'vmferry', 'configuration', () => loadConfig(options.config));
  const sites = Object.keys(config?.sites ?? {});
  if (config) checks.push(configured(config, sites));
  const [temporal, ...each] = await Promise.all([
    temporalChecks(context, sites),
    ...sites.map((site) => siteChecks(config!, site, context.signal)),
  ]);
  checks.push(...temporal, ...each.flat());
  if (options.json) printJson(context, checks);
  else print(context, checks);
  return checks.some((check) => check.result === 'bad') ? NOT_DONE : DONE;
}

function configured(config: VmferryConfig & { path: string }, sites: string[]): Check {
  if (sites.length > 0) return good('vmferry', 'configuration', `${config.path}: ${sites.join(', ')}`);
  const remedy = 'Add two under `sites:`.';
  return { where: 'vmferry', what: 'configuration', result: 'bad', found: `${config.path} names no site`, remedy };
}

export function good(where: string, what: string, found: string): Check {
  return { where, what, result: 'good', found, remedy: null };
}

/** Runs one look; a failure becomes a `bad` check with its remedy. */
export async function checked<T>(
  checks: Check[],
  where: string,
  what: string,
  look: () => Promise<T>,
): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    const { message, remedy } = asVmferryError(explained(error));
    checks.push({ where, what, result: 'bad', found: message, remedy: remedy ?? null });
    return null;
  }
}

function print(context: Context, checks: readonly Check[]): void {
  const mark = { good: 'ok', note: 'note', bad: 'BAD' };
  // Several lines, as of a configuration with several wrong fields, stand below each other.
  const rows = checks.flatMap(({ result, where, what, found }) =>
    found
      .trimEnd()
      .split('\n')
      .map((line, nth) => (nth === 0 ? [mark[result], where, what, line] : ['', '', '', line])),
  );
  context.out(columns(rows));
  const remedies = checks.filter((check) => check.remedy !== null);
  if (remedies.length > 0) context.out('\nWhat to do:\n');
  for (const check of remedies) context.out(`  ${check.where}, ${check.what}: ${check.remedy}\n`);
}
