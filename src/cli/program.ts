import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { z } from 'zod';
import { explain } from '../errors.js';
import { explained } from '../temporal.js';
import { printable, type Context } from './context.js';
import { addAssess } from './assess.js';
import { addDecisions } from './decisions.js';
import { addDescribe } from './describe.js';
import { addDoctor } from './doctor.js';
import { DONE, exitOfError, NOT_DONE, WRONG_USE } from './exit.js';
import { addInit } from './init.js';
import { addInventory } from './inventory.js';
import { addList } from './list.js';
import { addMigrate } from './migrate.js';
import { addRecover } from './recover.js';
import { addReplicas } from './replicas.js';
import { addReport } from './report.js';
import { addServe } from './serve.js';
import { addStatus } from './status.js';
import { addSweep } from './sweep.js';
import { addUnsupported } from './unsupported.js';
import { addVerify } from './verify.js';

const VERSION = z
  .object({ version: z.string() })
  .parse(createRequire(import.meta.url)('../../../package.json')).version;

/** An error may hold what somebody wrote into a file from outside. */
const MOST_OF_AN_ERROR = 8000;

/** Where verbs are added, and how their exit status comes back. */
export interface Verbs {
  readonly context: Context;
  /** A new verb with its summary and an example for its help. */
  verb(nameAndArguments: string, summary: string, example: string): Command;
  /** Wraps a verb's action so that its exit status is kept. */
  action<A extends unknown[]>(work: (...given: A) => Promise<number | undefined>): (...given: A) => Promise<void>;
}

/**
 * Runs the command line.
 * @param argv arguments without the program.
 * @returns the exit status; nothing is thrown.
 */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  let exit = DONE;
  const program = new Command('vmferry')
    .description('Moves virtual machines between hypervisors, as durable Temporal workflows.')
    .configureOutput({ writeOut: context.out, writeErr: context.err })
    .version(VERSION, '-V, --version', "print vmferry's version")
    .exitOverride()
    .showHelpAfterError('(`vmferry VERB --help` shows arguments and an example)')
    .hook('preAction', (_, verb) => refuseEmpty(verb))
    .addHelpText('after', '\nExit status: 0 done as asked, 1 not, 2 wrong use, 3 a blocking finding.');
  const verbs: Verbs = {
    context,
    verb: (nameAndArguments, summary, example) =>
      program
        .command(nameAndArguments)
        .summary(summary)
        .description(summary)
        .addHelpText('after', `\nExample:\n${indent(example)}`),
    action:
      (work) =>
      async (...given) => {
        exit = (await work(...given)) ?? DONE;
      },
  };
  for (const add of [
    addInit,
    addDoctor,
    addServe,
    addInventory,
    addDescribe,
    addMigrate,
    addAssess,
    addList,
    addStatus,
    addDecisions,
  ])
    add(verbs);
  for (const add of [addReport, addVerify, addReplicas, addRecover, addSweep, addUnsupported]) add(verbs);
  if (argv.length === 0) {
    context.err(program.helpInformation());
    return WRONG_USE;
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : WRONG_USE;
    if (context.signal.aborted) return NOT_DONE;
    context.err(`${explain(explained(error)).split('\n').map(printable).join('\n').slice(0, MOST_OF_AN_ERROR)}\n`);
    return exitOfError(error);
  }
}

/** An empty word comes of a variable that is not set: nothing is looked for by it. A comment may well be empty. */
function refuseEmpty(verb: Command): void {
  const empty = (value: unknown): boolean =>
    Array.isArray(value) ? value.some(empty) : typeof value === 'string' && value.trim() === '';
  const argument = verb.registeredArguments.find((_, nth) => empty(verb.processedArgs[nth]));
  if (argument) verb.error(`error: argument '${argument.name()}' is empty`);
  const option = verb.options.find(
    (each) => each.attributeName() !== 'comment' && empty(verb.getOptionValue(each.attributeName())),
  );
  if (option) verb.error(`error: option '${option.flags}' is empty`);
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}
