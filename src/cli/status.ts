import { askLive, askStatus } from './ask.js';
import { printJson, withClient, type Context } from './context.js';
import { exitOfOutcome } from './exit.js';
import { askFleet, exitOfFleet, fleetLines, followFleet, printFleet } from './fleet.js';
import { ALL_TYPES, FLEET_TYPE, findMigration } from './find.js';
import { follow, type Manner } from './follow.js';
import { printTrouble } from './outcome.js';
import type { Verbs } from './program.js';
import { page } from './screen.js';

const ARGUMENT = ['<migration>', "a VM's name, a workflow's id or a migration's id; or an assessment of many"] as const;

interface WatchOptions {
  plain?: boolean;
  json?: boolean;
}

export function addStatus(verbs: Verbs): void {
  verbs
    .verb('status', 'Show how far a migration is, and what can be decided now', 'vmferry status web01 --json')
    .argument(...ARGUMENT)
    .option('--json', 'print what the query getStatus returns')
    .action(
      verbs.action((name: string, options: { json?: boolean }) => status(verbs.context, name, options.json === true)),
    );
  verbs
    .verb('watch', 'Follow a migration to its end; the exit status is its outcome', 'vmferry watch web01')
    .argument(...ARGUMENT)
    .option('--plain', 'plain lines on a terminal too, instead of a page that is redrawn')
    .option('--json', 'print the status as one line of JSON, and again whenever it changes')
    .action(verbs.action((name: string, options: WatchOptions) => watch(verbs.context, name, options)));
}

async function status(context: Context, name: string, json: boolean): Promise<undefined> {
  await withClient(context, async (connected) => {
    const found = await findMigration(connected, name, ALL_TYPES);
    if (found.type === FLEET_TYPE) {
      const { status: far, assessment } = await askFleet(connected, found);
      if (json) printJson(context, far);
      else if (assessment) printFleet(context, assessment);
      else context.out(fleetLines(far, found.workflowId));
      return;
    }
    const [told, live] = await Promise.all([askStatus(connected.client, found), askLive(connected.client, found)]);
    if (json) printJson(context, told);
    else context.out(page({ status: told, live, workflowId: found.workflowId, nowMs: Date.now() }).join('\n') + '\n');
  });
  return undefined;
}

async function watch(context: Context, name: string, { plain, json }: WatchOptions): Promise<number> {
  return await withClient(context, async (connected) => {
    const found = await findMigration(connected, name, ALL_TYPES);
    if (found.type === FLEET_TYPE) {
      const fleet = await followFleet(context, connected, found, json === true);
      return json ? exitOfFleet(fleet) : printFleet(context, fleet);
    }
    const shown = plain ? { ...context, terminal: false } : context;
    const manner: Manner = json ? 'json' : shown.terminal ? 'page' : 'lines';
    const last = await follow(shown, connected.client, found, manner);
    printTrouble(context, last);
    return exitOfOutcome(last.outcome, last.findings);
  });
}
