import { Option } from 'commander';
import { loadConfig } from '../config.js';
import { explain, VmferryError } from '../errors.js';
import { printable, printJson, type Context } from './context.js';
import { DONE, NOT_DONE } from './exit.js';
import { askTemporal, mustBeOver, type Fate } from './fate.js';
import { gather, remainsOf } from './leftovers.js';
import type { Verbs } from './program.js';
import { caseOf, offersOf, wordsOf, type Case } from './recover-case.js';
import { recover, type RecoverChoice, type Side } from './recover-steps.js';

interface Options {
  config?: string;
  source?: boolean;
  target?: boolean;
  accept?: boolean;
  start?: boolean;
  discardTargetWrites?: boolean;
  confirmDown?: Side;
  workflowGone?: boolean;
  json?: boolean;
}

export function addRecover(verbs: Verbs): void {
  verbs
    .verb(
      'recover',
      'Show how migrations without a workflow stand at both sites, and bring back source or target',
      'vmferry recover 3f9c07d1ab42 --source',
    )
    .argument('[migration]', "a migration's id, a VM's name or a workflow's id; default: all that are found")
    .addOption(new Option('--source', 'go back to the source: remove the target, start the source').conflicts('target'))
    .option('--target', 'go on with the target: hold the source, start the target and plug its network')
    .option('--accept', 'with --target: make it final and retire the source; ends the way back')
    .option('--no-start', 'with --source: leave it off')
    .option('--discard-target-writes', 'with --source: switch off a target that runs, and lose what it wrote')
    .addOption(
      new Option('--confirm-down <side>', 'declare, as a human who has seen it, that a side does not run').choices([
        'source',
        'target',
      ]),
    )
    .option('--workflow-gone', 'declare that no Temporal server runs its workflow any more, where it cannot be asked')
    .option('--config <file>', 'vmferry.yaml')
    .option('--json', 'print JSON')
    .action(verbs.action((name: string | undefined, options: Options) => recoverVerb(verbs.context, name, options)));
}

async function recoverVerb(context: Context, name: string | undefined, options: Options): Promise<number> {
  const config = await loadConfig(options.config);
  const { signal } = context;
  const temporal = await askTemporal(context);
  try {
    const found = await gather(config, Object.keys(config.sites), signal);
    for (const [site, error] of found.failed) context.err(`${site}: ${explain(error)}\n`);
    const cases: Case[] = [];
    for (const remains of remainsOf(found)) {
      const fate = remains.owner ? await temporal.fateOf(remains.owner) : UNKNOWN;
      if (!isMeant(name, remains.migrationId, remains.owner?.workflowId, remains.source?.vm)) continue;
      if (fate.state === 'runs' && name === undefined) continue;
      cases.push(await caseOf(config, found, remains, fate, signal));
    }
    const asked = sideOf(options);
    const one = cases.length === 1 ? cases[0]! : null;
    if (asked === null && !options.json) show(context, cases, name);
    const side = asked ?? (one && !options.json ? await askSide(context, one) : null);
    if (side === null) {
      if (options.json)
        printJson(
          context,
          cases.map((each) => ({ ...each, offers: offersOf(each) })),
        );
      return found.failed.size > 0 || (name !== undefined && cases.length === 0) ? NOT_DONE : DONE;
    }
    const chosen = one ?? whichOne(cases, name);
    const { migrationId, workflowId, fate } = chosen;
    mustBeOver(`recover ${migrationId}`, fate, {
      workflowGone: options.workflowGone === true,
      running: `Decide there: vmferry status ${workflowId ?? migrationId} shows what fits now.`,
    });
    const did = await recover(config, chosen, choiceOf(side, options), signal);
    if (options.json) printJson(context, { migrationId: chosen.migrationId, side, did });
    else for (const line of did) context.out(`${printable(line)}\n`);
    return DONE;
  } finally {
    await temporal.close();
  }
}

const UNKNOWN: Fate = { state: 'unknown', text: 'nothing says which workflow it had' };

function isMeant(name: string | undefined, ...names: (string | undefined)[]): boolean {
  return name === undefined || names.includes(name);
}

function sideOf({ source, target, accept }: Options): Side | null {
  if (accept && !target) throw new VmferryError('InvalidRequest', 'cannot take --accept without --target');
  if (source) return 'source';
  return target ? 'target' : null;
}

function choiceOf(side: Side, options: Options): RecoverChoice {
  return {
    side,
    confirmDown: options.confirmDown,
    discardTargetWrites: options.discardTargetWrites === true,
    start: options.start !== false,
    accept: options.accept === true,
  };
}

function show(context: Context, cases: readonly Case[], name: string | undefined): void {
  if (cases.length === 0) {
    context.out(
      name === undefined
        ? 'No migration without a workflow was found.\n'
        : `Nothing of ${printable(name)} was found.\n`,
    );
    return;
  }
  for (const each of cases) {
    const offers = offersOf(each);
    const lines = [...wordsOf(each)];
    for (const side of ['source', 'target'] as const) {
      const { possible, what } = offers[side];
      lines.push(`  --${side}`.padEnd(13) + (possible ? what : `not possible: ${what}`));
    }
    context.out(`${lines.map(printable).join('\n')}\n`);
  }
}

/** On a terminal: which side. Null for neither. */
async function askSide(context: Context, each: Case): Promise<Side | null> {
  const offers = offersOf(each);
  const sides = (['source', 'target'] as const).filter((side) => offers[side].possible);
  if (context.ask === undefined || sides.length === 0 || each.fate.state === 'runs') return null;
  const answer = (await context.ask(`Go on with ${sides.join(', ')} or nothing? [nothing] `)).trim();
  return sides.find((side) => side === answer) ?? null;
}

function whichOne(cases: readonly Case[], name: string | undefined): Case {
  if (cases.length === 0)
    throw new VmferryError(
      'NotFound',
      name ? `nothing of "${name}" was found at the sites` : 'nothing to recover was found',
      {
        remedy: '`vmferry recover` shows what there is.',
      },
    );
  throw new VmferryError('InvalidRequest', 'cannot tell which migration is meant', {
    remedy: `Name one: ${cases.map((each) => each.migrationId).join(', ')}.`,
  });
}
