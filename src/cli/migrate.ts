import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Command } from 'commander';
import { loadConfig, siteOf, type VmferryConfig } from '../config.js';
import { VmferryError } from '../errors.js';
import type { MigrationStatus } from '../model/status.js';
import type { MigrateVmInput } from '../request/migrate-vm.js';
import { TASK_QUEUE, type ConnectedClient } from '../temporal.js';
import { migrationIdOf } from '../../workflows/migration-id.js';
import { printJson, withClient, type Context } from './context.js';
import { DONE, exitOfRequest } from './exit.js';
import { dryRunIdFor, findMigration, workflowIdFor, WORKFLOW_TYPE } from './find.js';
import { follow } from './follow.js';
import { printEstimate, printFindings, printTrouble } from './outcome.js';
import type { Verbs } from './program.js';
import { buildRequest, type RequestFlags } from './request.js';
import { waysToDecide } from './ways.js';

interface Flags extends RequestFlags {
  config?: string;
  wait?: boolean;
  watch?: boolean;
  json?: boolean;
}

export function addMigrate(verbs: Verbs): void {
  const { context } = verbs;
  const migrateVerb = verbs
    .verb(
      'migrate',
      'Start the migration of one VM; it syncs until the cutover is approved',
      'vmferry migrate web01 --from dc-old --to dc-new --network prod=lan --max-downtime 2m --watch',
    )
    .option('--dry-run', 'assess and report; change nothing')
    .option('-w, --wait', 'wait for its end, told in plain lines; the exit status is its outcome')
    .option('--watch', 'the same, as a page that is redrawn on a terminal')
    .option('--json', 'print as JSON what was started or, when waiting, the status at its end');
  requestOptions(migrateVerb).action(
    verbs.action((vm: string | undefined, flags: Flags) => migrate(context, vm, flags)),
  );
  const assessVerb = verbs
    .verb(
      'assess',
      'Find out what stands against a migration; changes nothing',
      'vmferry assess web01 --from dc-old --to dc-new --json',
    )
    .option('--json', 'print the findings as JSON');
  requestOptions(assessVerb).action(verbs.action((vm: string | undefined, flags: Flags) => assess(context, vm, flags)));
}

function requestOptions(command: Command): Command {
  return command
    .argument('[vm]', "the VM's name at the source; or in the request file")
    .option('--from <site>', 'source site')
    .option('--to <site>', 'target site')
    .option('--request <file>', 'a JSON file with the whole request; flags win over it')
    .option('--set <path=value>', 'any field of the request, such as sync.interval=10m', collect)
    .option('--target-name <name>', "the VM's name at the target")
    .option('--network <source=target>', 'map a network; may be repeated', collect)
    .option('--storage <pool>', 'pool or directory at the target')
    .option('--disk-format <format>', 'qcow2 or raw; at a target of files also vmdk, vpc, vhdx, vdi, qcow')
    .option('--package <kind>', 'ova, ovf, libvirt-xml or images, at a target of files')
    .option('--adopt <migration>', 'take over the whole replica that this migration kept')
    .option('--exclude-disk <disk>', 'leave a disk behind; may be repeated', collect)
    .option('--cpus <count>', 'virtual CPUs at the target')
    .option('--memory <size>', 'memory at the target, such as 4GiB')
    .option('--bandwidth <rate>', 'limit for all disks together, such as 200MiB/s')
    .option('--at <time>', 'cut over not before, such as 2030-11-23T22:00:00+01:00')
    .option('--max-downtime <duration>', 'refuse a cutover predicted above this')
    .option('--shutdown <policy>', 'graceful, force-after or ask')
    .option('--approval <mode>', 'required or automatic')
    .option('--acceptance <mode>', 'manual or automatic')
    .option('--no-rehearsal', 'no test boot before the approval')
    .option('--waive <finding=reason>', 'go on in spite of a blocking finding; may be repeated', collect)
    .option('--config <file>', 'vmferry.yaml, to check the names of sites');
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

async function migrate(context: Context, vm: string | undefined, flags: Flags): Promise<number> {
  const request = await checkedRequest(vm, flags);
  return await withClient(context, async (connected) => {
    const started = await start(connected, request);
    const waits = flags.wait === true || flags.watch === true || request.dryRun === true;
    // What prints data prints one document: of what it waited for, the end.
    if (flags.json && !waits) printJson(context, started);
    else if (!request.dryRun) tell(flags.json ? aside(context) : context, connected, started);
    return waits ? ended(context, await waitFor(context, connected, started, flags), flags.json === true) : DONE;
  });
}

async function assess(context: Context, vm: string | undefined, flags: Flags): Promise<number> {
  // Whatever a request file or --set says: assessing changes nothing.
  const request = { ...(await checkedRequest(vm, flags)), dryRun: true };
  return await withClient(context, async (connected) => {
    const started = await start(connected, request);
    const status = await waitFor(context, connected, started, { json: true });
    printTrouble(context, status);
    if (flags.json) printJson(context, status.findings);
    else {
      printFindings(context, status);
      printEstimate(context, status);
    }
    return exitOfRequest(status);
  });
}

/** The request, with sites that exist where this machine has a `vmferry.yaml`. */
async function checkedRequest(
  vm: string | undefined,
  flags: RequestFlags & { config?: string },
): Promise<MigrateVmInput> {
  const config = await loadConfig(flags.config).catch((error: unknown) => {
    // The command line may be far from the worker, whose file counts.
    if (flags.config === undefined && error instanceof VmferryError && error.details['missing'] === true) return null;
    throw error;
  });
  const request = await buildRequest(vm, flags).catch((error: unknown) => {
    throw withSites(error, config);
  });
  if (config) for (const site of [request.source, request.target]) siteOf(config, site);
  return request;
}

/** Where a site is missing or wrong, those that there are belong to the answer; so does where fields are to be found. */
function withSites(error: unknown, config: (VmferryConfig & { path: string }) | null): unknown {
  if (!(error instanceof VmferryError) || !Array.isArray(error.details['fields'])) return error;
  const lines = error.details['fields'].map(String);
  const remedies = [
    ...(lines.some((line) => /^(source|target):/.test(line)) ? [siteWords(config)] : []),
    ...(lines.some((line) => line.endsWith(': unknown field')) ? ['Every field is in docs/requests.md.'] : []),
  ];
  const { message, details } = error;
  return new VmferryError('InvalidRequest', message, { remedy: remedies.join(' '), details, cause: error });
}

function siteWords(config: (VmferryConfig & { path: string }) | null): string {
  if (config) return `Sites in ${config.path}: ${Object.keys(config.sites).join(', ') || 'none'}.`;
  return 'Sites are named in vmferry.yaml, and there is none here: name it with --config, or write one with `vmferry init`.';
}

interface Started {
  workflowId: string;
  runId: string;
  migrationId: string;
  address: string;
  namespace: string;
}

async function start({ client, settings }: ConnectedClient, request: MigrateVmInput): Promise<Started> {
  const { address, namespace } = settings;
  const { vm, source } = request;
  // A dry run may go on beside a migration, and does not take its place.
  const workflowId = request.dryRun ? dryRunIdFor(source, vm) : workflowIdFor(source, vm);
  try {
    const handle = await client.workflow.start(WORKFLOW_TYPE, {
      taskQueue: TASK_QUEUE,
      workflowId,
      args: [request],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: `${request.vm}: ${request.source} to ${request.target}`,
    });
    const runId = handle.firstExecutionRunId;
    return { workflowId, runId, migrationId: migrationIdOf(namespace, workflowId, runId), address, namespace };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const first = await findMigration({ client, settings, close: () => Promise.resolve() }, workflowId);
    throw new VmferryError(
      'AlreadyClaimed',
      `cannot ${request.dryRun ? 'assess' : 'migrate'} ${vm}: the ${request.dryRun ? 'dry run' : 'migration'} ${first.migrationId} of it runs already (workflow ${workflowId})`,
      {
        remedy: `Look at it with \`vmferry status ${workflowId}\`, or end it with \`vmferry abort ${workflowId}\`.`,
        cause: error,
      },
    );
  }
}

function tell(context: Context, { settings }: ConnectedClient, started: Started): void {
  const { workflowId, runId, migrationId } = started;
  context.out(`Started ${workflowId} (migration ${migrationId}).\n`);
  context.out(`  Follow it with: vmferry watch ${workflowId}\n`);
  context.out(`${waysToDecide(workflowId, { ...settings, uiUrl: null, runId })}\n`);
}

async function waitFor(
  context: Context,
  connected: ConnectedClient,
  started: Started,
  flags: { watch?: boolean; json?: boolean },
): Promise<MigrationStatus> {
  const found = await findMigration(connected, started.workflowId);
  const quiet = flags.json ? aside(context) : context;
  const manner = flags.watch && context.terminal ? 'page' : 'lines';
  return await follow(quiet, connected.client, found, manner);
}

/** Progress of what prints data goes to standard error. */
function aside(context: Context): Context {
  return { ...context, out: context.err };
}

function ended(context: Context, status: MigrationStatus, json: boolean): number {
  printTrouble(context, status);
  if (json) printJson(context, status);
  else if (status.outcome === 'dry-run') {
    printFindings(context, status);
    printEstimate(context, status);
  } else context.out(`Ended as ${status.outcome ?? status.phase}.\n`);
  return exitOfRequest(status);
}
