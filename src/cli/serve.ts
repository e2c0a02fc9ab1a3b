import { mkdir, open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { startTemporal } from '#temporal';
import { loadConfig, siteOf, stateDirectory } from '../config.js';
import { VmferryError } from '../errors.js';
import { cannotWrite, checkFolder } from '../file-trouble.js';
import { registerSearchAttributes } from '../search-attributes.js';
import { connectClient, temporalSettings, type TemporalSettings } from '../temporal.js';
import type { Context } from './context.js';
import type { Verbs } from './program.js';

interface WorkerOptions {
  config?: string;
  site?: string[];
}

interface UpOptions extends WorkerOptions {
  db?: string;
}

export function addServe(verbs: Verbs): void {
  const { context } = verbs;
  verbs
    .verb('up', 'Run an embedded Temporal server and a worker here, until Ctrl-C', 'vmferry up')
    .option('--db <file>', "the server's database; default: under the user's state directory")
    .option('--site <site>', 'only this site; may be repeated', collect)
    .option('--config <file>', 'vmferry.yaml')
    .action(verbs.action((options: UpOptions) => up(context, options)));
  verbs
    .verb(
      'worker',
      'Run a worker against the Temporal server of the environment, until Ctrl-C',
      'vmferry worker --site dc-old',
    )
    .option('--site <site>', 'activities of this site only; may be repeated; default: all', collect)
    .option('--config <file>', 'vmferry.yaml')
    .action(verbs.action((options: WorkerOptions) => work(context, options, temporalSettings())));
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

async function up(context: Context, options: UpOptions): Promise<undefined> {
  // Read first: a wrong file is said before a server is started.
  await loadConfig(options.config);
  const dbFile = options.db ?? join(stateDirectory(), 'temporal.db');
  await prepareDatabase(dbFile);
  const server = await startTemporal({ dbFile });
  try {
    context.out(`Temporal at ${server.address}, its pages at ${server.uiUrl}, its database in ${dbFile}\n`);
    context.out(`Other shells: export TEMPORAL_ADDRESS=${server.address}\n`);
    const namespace = 'default';
    return await work(context, options, {
      address: server.address,
      namespace,
      connection: { address: server.address },
    });
  } finally {
    await server.stop();
  }
}

/** What keeps the server from its database is said before it is started. */
async function prepareDatabase(dbFile: string): Promise<void> {
  const folder = dirname(resolve(dbFile));
  const remedy = 'Name another file with --db.';
  await checkFolder(folder, remedy);
  try {
    await mkdir(folder, { recursive: true });
    // Where there is none yet, the server makes it.
    await (await open(dbFile, 'r+')).close();
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'))
      throw cannotWrite(resolve(dbFile), cause, remedy);
  }
}

async function work(
  context: Context,
  { config: path, site }: WorkerOptions,
  settings: TemporalSettings,
): Promise<undefined> {
  const config = await loadConfig(path);
  // Loaded late: most verbs need no worker.
  const { startWorker } = await import('../worker.js');
  const { address, namespace, connection } = settings;
  const sites = site ?? Object.keys(config.sites);
  for (const name of sites) siteOf(config, name);
  if (sites.length === 0) {
    throw new VmferryError('InvalidConfig', `cannot serve any site: ${config.path} names none`, {
      remedy: 'Add two under `sites:`.',
    });
  }
  await prepareNamespace(settings);
  const worker = await startWorker({ config, address, namespace, connection, sites });
  context.out(`Worker for ${sites.join(', ')} at ${address}, namespace ${namespace}\n`);
  const stop = (): void => void worker.stop().catch(() => undefined);
  context.signal.addEventListener('abort', stop, { once: true });
  if (context.signal.aborted) stop();
  await worker.ended;
  return undefined;
}

async function prepareNamespace(settings: TemporalSettings): Promise<void> {
  const connected = await connectClient(settings);
  try {
    await registerSearchAttributes(connected.client.connection.operatorService, settings.namespace);
  } finally {
    await connected.close();
  }
}
