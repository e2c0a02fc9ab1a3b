import {
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { Command } from 'commander';
import { decisionNames, decisionSchemas, decisionSummaries, type DecisionName } from '../request/decisions.js';
import { parseRequest } from '../request/parse.js';
import { whoIsThis, type ConnectedClient } from '../temporal.js';
import { noAnswer } from './ask.js';
import { printable, printJson, withClient, type Context } from './context.js';
import { DONE, NOT_DONE } from './exit.js';
import { findMigration, type Found } from './find.js';
import type { Verbs } from './program.js';
import { verbOf } from './ways.js';

/** An update is answered by the workflow at once; longer means that no worker is there. */
const ANSWER_TIMEOUT_MS = 30_000;

/** Options and arguments that are not `--by` and `--comment`, and the fields that they give. */
const EXTRAS: Partial<Record<DecisionName, (command: Command) => Command>> = {
  approveCutover: (command) =>
    command.option('--at <time>', 'cut over at this time, such as 2030-11-23T22:00:00+01:00'),
  scheduleCutover: (command) => command.requiredOption('--at <time>', 'such as 2030-11-23T22:00:00+01:00'),
  setBandwidth: (command) => command.argument('<rate>', '"200MiB/s", or "none" for no limit'),
  undoCutover: (command) =>
    command.option('--discard-target-writes', 'give up what the target wrote since the cutover'),
  confirmSiteDown: (command) => command.requiredOption('--side <side>', '"source" or "target"'),
};

/** Summaries that read otherwise on the command line than as data of a message. */
const SUMMARIES: Partial<Record<DecisionName, string>> = {
  setBandwidth: 'Limit the copying rate of a running migration, or lift the limit with "none"',
};

const EXAMPLES: Partial<Record<DecisionName, string>> = {
  approveCutover: 'vmferry approve web01 --at 2030-11-23T22:00:00+01:00 --comment "window agreed with the shop"',
  scheduleCutover: 'vmferry schedule web01 --at 2030-11-23T22:00:00+01:00',
  setBandwidth: 'vmferry limit web01 200MiB/s',
  undoCutover: 'vmferry undo web01 --discard-target-writes',
  confirmSiteDown: 'vmferry confirm-down web01 --side source --comment "rack is without power, seen by me"',
};

interface Options {
  by?: string;
  comment?: string;
  at?: string;
  discardTargetWrites?: boolean;
  side?: string;
  json?: boolean;
}

/** One verb for each decision; each is an update, so that it is checked and answered at once. */
export function addDecisions(verbs: Verbs): void {
  for (const name of decisionNames) {
    const verb = verbOf(name);
    const command = verbs
      .verb(
        verb,
        SUMMARIES[name] ?? decisionSummaries[name],
        EXAMPLES[name] ?? `vmferry ${verb} web01 --comment "as agreed"`,
      )
      .argument('<migration>', "a VM's name, a workflow's id or a migration's id")
      .option('--by <name>', 'who decides; a claim, not an identity', whoIsThis())
      .option('--comment <text>', 'kept in the audit trail and the report')
      .option('--json', 'print the answer as JSON');
    const full = EXTRAS[name]?.(command) ?? command;
    full.action(
      verbs.action(async (migration: string, ...rest: unknown[]) => {
        const rate = name === 'setBandwidth' ? String(rest.shift()) : undefined;
        return decide(verbs.context, name, migration, rest[0] as Options, rate);
      }),
    );
  }
}

async function decide(
  context: Context,
  name: DecisionName,
  migration: string,
  options: Options,
  rate?: string,
): Promise<number> {
  const { json, ...fields } = options;
  const payload = { ...fields, ...(rate === undefined ? {} : { rate: rate === 'none' ? null : rate }) };
  const optionOf = (path: string) => (path === 'rate' ? '"none" for no limit' : `--${path}`);
  parseRequest(decisionSchemas[name], payload, `\`vmferry ${verbOf(name)}\``, optionOf);
  return await withClient(context, async (connected) => {
    const found = await findMigration(connected, migration);
    const answer = await send(connected, found, name, payload);
    const subject = printable(found.workflowId);
    if (json) printJson(context, { workflowId: found.workflowId, decision: name, ...answer });
    else if (answer.accepted) context.out(`${subject}: ${answer.text}\n`);
    else context.err(`${subject}: ${verbOf(name)} is refused: ${answer.text}\n`);
    return answer.accepted ? DONE : NOT_DONE;
  });
}

interface Answer {
  accepted: boolean;
  /** What it did, or why it does not fit. */
  text: string;
}

async function send({ client }: ConnectedClient, found: Found, name: DecisionName, payload: object): Promise<Answer> {
  if (!found.running) return { accepted: false, text: ended(found) };
  const handle = client.workflow.getHandle(found.workflowId);
  try {
    const reply = await client.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () =>
      handle.executeUpdate<unknown, [object]>(name, { args: [payload] }),
    );
    return readAnswer(reply, name);
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError)
      return { accepted: false, text: error.cause?.message ?? error.message };
    if (error instanceof WorkflowNotFoundError) return { accepted: false, text: ended(found) };
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) throw noAnswer(found.workflowId, error);
    throw error;
  }
}

function ended(found: Found): string {
  return `the migration has ended (${found.phase || found.state.toLowerCase()})`;
}

function readAnswer(reply: unknown, name: DecisionName): Answer {
  if (typeof reply === 'object' && reply !== null && 'accepted' in reply && 'text' in reply) {
    return { accepted: reply.accepted === true, text: String(reply.text) };
  }
  return { accepted: true, text: `${verbOf(name)} is done` };
}
