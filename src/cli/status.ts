import { VmferryError } from '../errors.js';
import { askLive, askStatus } from './ask.js';
import { printJson, withClient, type Context } from './context.js';
import { exitOfOutcome } from './exit.js';
import { findMigration } from './find.js';
import { follow } from './follow.js';
import type { Verbs } from './program.js';
import { page } from './screen.js';

const ARGUMENT = ['<migration>', "a VM's name, a workflow's id or a migration's id"] as const;

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
    .option('--plain', 'plain lines on a terminal too')
    .action(
      verbs.action((name: string, options: { plain?: boolean }) => watch(verbs.context, name, options.plain === true)),
    );
}

async function status(context: Context, name: string, json: boolean): Promise<undefined> {
  await withClient(context, async (connected) => {
    const found = await findMigration(connected, name);
    const [told, live] = await Promise.all([askStatus(connected.client, found), askLive(connected.client, found)]);
    if (json) printJson(context, told);
    else context.out(page({ status: told, live, workflowId: found.workflowId, nowMs: Date.now() }).join('\n') + '\n');
  });
  return undefined;
}

async function watch(context: Context, name: string, plain: boolean): Promise<number> {
  return await withClient(context, async (connected) => {
    const found = await findMigration(connected, name);
    const manner = plain ? { ...context, terminal: false } : context;
    const last = await follow(manner, connected.client, found, manner.terminal);
    if (last) return exitOfOutcome(last.outcome, last.findings);
    throw new VmferryError(
      'Internal',
      `cannot tell how ${found.workflowId} ended: it failed or was ended from outside`,
      {
        remedy:
          '`vmferry list --all` shows how it stands with Temporal; `vmferry recover` shows what it left at the sites.',
      },
    );
  });
}
