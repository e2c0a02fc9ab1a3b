import type { MigrationStatus } from '../model/status.js';
import type { ConnectedClient } from '../temporal.js';
import { printJson, withClient, type Context } from './context.js';
import { DONE, exitOfRequest } from './exit.js';
import { printEstimate, printFindings, printTrouble } from './outcome.js';
import type { Verbs } from './program.js';
import { buildRequest, type RequestFlags } from './request.js';
import { checkedRequest, requestOptions } from './request-options.js';
import { aside, start, waitFor, type Started } from './start.js';
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
  migrateVerb.argument('[vm]', "the VM's name at the source; or in the request file");
  requestOptions(migrateVerb).action(
    verbs.action((vm: string | undefined, flags: Flags) => migrate(context, vm, flags)),
  );
}

async function migrate(context: Context, vm: string | undefined, flags: Flags): Promise<number> {
  const request = await checkedRequest(flags.config, () => buildRequest(vm, flags));
  return await withClient(context, async (connected) => {
    const started = await start(connected, request);
    const waits = flags.wait === true || flags.watch === true || request.dryRun === true;
    // What prints data prints one document: of what it waited for, the end.
    if (flags.json && !waits) printJson(context, started);
    else if (!request.dryRun) tell(flags.json ? aside(context) : context, connected, started);
    return waits ? ended(context, await waitFor(context, connected, started, flags), flags.json === true) : DONE;
  });
}

function tell(context: Context, { settings }: ConnectedClient, started: Started): void {
  const { workflowId, runId, migrationId } = started;
  context.out(`Started ${workflowId} (migration ${migrationId}).\n`);
  context.out(`  Follow it with: vmferry watch ${workflowId}\n`);
  context.out(`${waysToDecide(workflowId, { ...settings, uiUrl: null, runId })}\n`);
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
