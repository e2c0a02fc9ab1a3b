import { ApplicationFailure, patched, setDefaultSignalHandler, setHandler } from '@temporalio/workflow';
import { parseDurationMs } from '../src/request/units.js';
import {
  decisionNames,
  decisionSchemas,
  decisionSummaries,
  examplePayload,
  type DecisionName,
  type DecisionPayload,
} from '../src/request/decisions.js';
import { checkInput, wrongFields } from '../src/request/parse.js';
import type { Phase } from '../src/model/status.js';
import { formatDuration, formatInstant } from '../src/model/format.js';
import { decisionMessages, type DecisionReply } from './messages.js';
import type { Migration } from './migration.js';

type Payloads = { [N in DecisionName]: DecisionPayload<N> };

const BEFORE_CUTOVER: readonly Phase[] = ['seeding', 'syncing', 'rehearsing', 'awaiting-approval'];
const CUTTING_OVER: readonly Phase[] = ['cutting-over', 'verifying', 'converting', 'starting', 'validating'];
/** So far the clock of who names a time may be behind. */
const SKEW_MS = 60_000;

/** The phase as it would be without `paused` or `needs-attention`. */
function underlying(migration: Migration): Phase {
  const { phase } = migration.status;
  return phase === 'paused' || phase === 'needs-attention' ? (migration.carried.resumeTo ?? phase) : phase;
}

/** Why a decision does not fit now, or null when it does. Pure: used by the validator, the handler and the status. */
export function whyNot(migration: Migration, name: DecisionName): string | null {
  const { status } = migration;
  const phase = underlying(migration);
  const before = BEFORE_CUTOVER.includes(phase);
  const during = `the migration is ${status.phase}`;
  switch (name) {
    case 'approveCutover':
      if (!before) return during;
      if (status.approval)
        return `it was approved already${status.approval.by ? ` by ${status.approval.by}` : ''}; use scheduleCutover to change the time`;
      return whyTooLong(migration);
    case 'rejectCutover':
      if (migration.askingForce) return null;
      if (!before) return during;
      return status.approval || phase === 'awaiting-approval' || !migration.carried.approvalRequired
        ? null
        : 'nothing was approved';
    case 'scheduleCutover':
    case 'setBandwidth':
      return before || phase === 'preparing' ? null : during;
    case 'syncNow':
      if (!before || !migration.seeded) return during;
      return status.work === 'pass' ? 'a pass is running' : null;
    case 'rehearse':
      if (!before || !migration.seeded) return during;
      if (status.package) return 'the target keeps files and starts nothing';
      return status.work === 'rehearsal' ? 'a rehearsal is running' : null;
    case 'pause':
      if (status.phase === 'paused' || migration.wishes.pause) return 'it is paused already';
      return before ? null : during;
    case 'resume':
      return status.phase === 'paused' || status.phase === 'needs-attention' || migration.wishes.pause
        ? null
        : 'it is neither paused nor in need of attention';
    case 'forceStop':
      return migration.askingForce ? null : 'no guest refuses to stop';
    case 'acceptTarget':
      return phase === 'awaiting-acceptance' && !migration.wishes.accept && !migration.wishes.undo ? null : during;
    case 'undoCutover':
      if (migration.wishes.undo || migration.wishes.accept) return 'it was decided already';
      return phase === 'awaiting-acceptance' || CUTTING_OVER.includes(phase) ? null : during;
    case 'confirmSiteDown':
      return migration.unreachable.length > 0 ? null : 'no side is waited for';
    case 'abort':
      if (migration.wishes.abort) return 'it is being aborted';
      if (phase === 'awaiting-acceptance')
        return `the ${status.package ? 'package is whole' : 'target runs'}: accept it, or undo with undoCutover`;
      return before || CUTTING_OVER.includes(phase) || phase === 'assessing' || phase === 'preparing' ? null : during;
  }
}

/** Why the predicted downtime is too long for the request, or null. */
export function whyTooLong(migration: Migration): string | null {
  const limit = migration.request.cutover.maxDowntime;
  const predicted = migration.status.predictedDowntimeMs;
  if (!limit || predicted === null) return null;
  const limitMs = parseDurationMs(limit)!;
  if (predicted <= limitMs) return null;
  const parts = migration.status.prediction?.parts
    .filter((part) => part.name !== 'stop')
    .map((part) => `${part.name} ${formatDuration(part.ms)}`);
  return `the predicted downtime of ${formatDuration(predicted)} (${parts?.join(', ')}) is above maxDowntime ${limit}; more passes may bring it down`;
}

/** Why a payload's content does not fit, though its type is right. */
function whyNotPayload<N extends DecisionName>(migration: Migration, name: N, payload: Payloads[N]): string | null {
  if (
    name === 'undoCutover' &&
    // Nothing runs that could have written.
    !migration.status.package &&
    // A source that was off has no downtime to measure; one that ran has it from the first probe that passed.
    (migration.marks.probesPassed ||
      migration.status.downtimeMs !== null ||
      underlying(migration) === 'awaiting-acceptance') &&
    !(payload as Payloads['undoCutover']).discardTargetWrites
  ) {
    return 'the target has run and answered, and nothing tracks what it wrote: say discardTargetWrites: true (vmferry undo --discard-target-writes) to give that up';
  }
  if (name === 'approveCutover') {
    const { at } = payload as Payloads['approveCutover'];
    const expiry = migration.request.cutover.approvalExpiry;
    if (at && Date.parse(at) > Date.now() + parseDurationMs(expiry)!) {
      return `an approval lapses after ${expiry} (approvalExpiry), and ${at} is later than that`;
    }
  }
  if (name === 'scheduleCutover' && migration.status.approval) {
    const { at } = payload as Payloads['scheduleCutover'];
    const { expiresAt } = migration.status.approval;
    if (Date.parse(at) > Date.parse(expiresAt))
      return `the approval lapses at ${expiresAt}, before that: reject it, schedule, and approve nearer to the time`;
  }
  if (name === 'confirmSiteDown' && !migration.unreachable.includes((payload as Payloads['confirmSiteDown']).side)) {
    return `the side that is waited for is the ${migration.unreachable.join(' or the ')}`;
  }
  return null;
}

/**
 * Why the time that a decision names fits no more, or null. Asked before a decision is accepted, and not again when an
 * accepted update is handled: what stands in a history as accepted stays so.
 */
function whyPast<N extends DecisionName>(name: N, payload: Payloads[N]): string | null {
  if (name !== 'approveCutover' && name !== 'scheduleCutover') return null;
  const { at } = payload as Payloads['approveCutover'];
  if (at === undefined || Date.parse(at) >= Date.now() - SKEW_MS) return null;
  const instead =
    name === 'approveCutover'
      ? 'leave it out to cut over at once, or give a time that is to come'
      : 'give a time that is to come, or that of now for a cutover as soon as it is approved';
  return `at: ${at} is past, it is ${formatInstant(new Date().toISOString())} now: ${instead}`;
}

/** The same for a signal, which no validator looked at. `patched` can go with the last migration begun before 2026-12. */
function whyPastNow<N extends DecisionName>(name: N, payload: Payloads[N]): string | null {
  const past = whyPast(name, payload);
  return past !== null && patched('refuse-past-times') ? past : null;
}

function parsePayload<N extends DecisionName>(name: N, input: unknown): { payload: Payloads[N] } | { wrong: string } {
  const given = input === undefined || input === null ? {} : input;
  if (typeof given !== 'object' || Array.isArray(given))
    return {
      wrong: `wrong payload: given ${JSON.stringify(given).slice(0, 80)}, expected one JSON object such as ${examplePayload(name)}`,
    };
  const result = checkInput(decisionSchemas[name], given);
  if (result.success) return { payload: result.data as Payloads[N] };
  return { wrong: `wrong payload: ${wrongFields(result.error, given).join('; ')}` };
}

/** When the main line comes to what was asked for. */
function whenNext({ status, wishes }: Migration): string {
  if (status.phase === 'paused' || wishes.pause) return 'with the resume';
  if (status.phase === 'needs-attention') return 'when it goes on';
  return status.work === 'idle' ? 'now' : 'next';
}

/** What a rejection does, before it does: a "no" to what is asked is kept as well where nothing was approved. */
function rejectionWords({ status, carried, askingForce }: Migration): string {
  if (askingForce) return 'the cutover is called off and its approval withdrawn; syncing goes on';
  if (status.approval) return 'approval withdrawn; syncing goes on';
  return carried.approvalRequired
    ? 'nothing was approved yet; syncing goes on'
    : 'no cutover without an approval from here on; syncing goes on';
}

/** Does what was decided: sets wishes and state; the main line acts on them. Returns what it did, in words. */
function apply<N extends DecisionName>(migration: Migration, name: N, payload: Payloads[N]): string {
  const { status, carried, wishes, request } = migration;
  const now = Date.now();
  switch (name) {
    case 'approveCutover': {
      const { at, by } = payload as Payloads['approveCutover'];
      const expiresAt = new Date(now + parseDurationMs(request.cutover.approvalExpiry)!).toISOString();
      status.approval = { by: by ?? null, at: new Date(now).toISOString(), cutoverAt: at ?? null, expiresAt };
      if (at) carried.notBefore = at;
      carried.announced = carried.announced.filter((each) => !each.startsWith('lapsing'));
      const predicted = status.predictedDowntimeMs;
      const down = predicted === null ? '' : `; predicted downtime ${formatDuration(predicted)}`;
      if (!carried.notBefore || Date.parse(carried.notBefore) <= now) return `cutover approved${down}`;
      const early = Date.parse(carried.notBefore) > Date.parse(expiresAt);
      return `cutover approved, not before ${carried.notBefore}${down}${early ? `; but the approval lapses before that, at ${expiresAt}: approve again nearer to the time` : ''}`;
    }
    case 'rejectCutover': {
      const text = rejectionWords(migration);
      // The time that came with the approval goes with it.
      if (status.approval?.cutoverAt) carried.notBefore = request.cutover.at ?? null;
      migration.withdrawApproval();
      if (migration.askingForce) wishes.undo = true;
      return text;
    }
    case 'scheduleCutover':
      carried.notBefore = (payload as Payloads['scheduleCutover']).at;
      if (status.approval) status.approval.cutoverAt = carried.notBefore;
      return `cutover not before ${carried.notBefore}${status.approval || !carried.approvalRequired ? '' : '; it still needs an approval'}`;
    case 'setBandwidth': {
      const { rate } = payload as Payloads['setBandwidth'];
      status.bandwidth = rate;
      return rate === null ? 'no bandwidth limit' : `bandwidth limited to ${rate}`;
    }
    case 'syncNow':
      wishes.syncNow = true;
      return `a pass begins ${whenNext(migration)}`;
    case 'rehearse':
      wishes.rehearse = true;
      return `a rehearsal begins ${whenNext(migration)}`;
    case 'pause':
      wishes.pause = true;
      return 'pausing';
    case 'resume':
      wishes.pause = false;
      wishes.resumed = true;
      return 'going on';
    case 'forceStop':
      wishes.forceStop = true;
      return 'the guest is switched off';
    case 'acceptTarget':
      wishes.accept = true;
      return 'the target is accepted';
    case 'undoCutover':
      wishes.undo = true;
      return 'going back to the source';
    case 'confirmSiteDown':
      if ((payload as Payloads['confirmSiteDown']).side === 'target') migration.marks.targetConfirmedDown = true;
      else migration.marks.sourceConfirmedDown = true;
      wishes.resumed = true;
      return `the ${(payload as Payloads['confirmSiteDown']).side} was declared down`;
    default:
      wishes.abort = true;
      return 'aborting';
  }
}

/** Registers every decision as signal and update. `onDecision` interrupts what runs, where the decision asks for it. */
export function handleDecisions(migration: Migration, onDecision: (name: DecisionName) => void): void {
  const decide = (name: DecisionName, input: unknown, by: 'signal' | 'update'): DecisionReply => {
    const parsed = parsePayload(name, input);
    if ('wrong' in parsed) return refuse(migration, name, input, parsed.wrong);
    const reason =
      whyNot(migration, name) ??
      whyNotPayload(migration, name, parsed.payload) ??
      (by === 'signal' ? whyPastNow(name, parsed.payload) : null);
    if (reason) return refuse(migration, name, input, `ignored: ${reason}`);
    const text = apply(migration, name, parsed.payload);
    migration.decided(name, parsed.payload.by ?? null, parsed.payload.comment ?? null, true, text);
    onDecision(name);
    return { accepted: true, text };
  };
  for (const { name, signal, update } of decisionMessages) {
    const description = `${decisionSummaries[name]}. Data: ${examplePayload(name)}`;
    setHandler(signal, (input) => void decide(name, input, 'signal'), { description });
    setHandler(update, (input) => decide(name, input, 'update'), {
      description,
      validator: (input) => {
        const parsed = parsePayload(name, input);
        const reason =
          'wrong' in parsed
            ? parsed.wrong
            : (whyNot(migration, name) ??
              whyNotPayload(migration, name, parsed.payload) ??
              whyPast(name, parsed.payload));
        if (reason) throw refusal(name, reason);
      },
    });
  }
  // A slip in the name is answered too: Temporal itself takes any signal and says that it succeeded.
  setDefaultSignalHandler((name, ...args) => {
    refuse(
      migration,
      name.slice(0, 60),
      args[0],
      `ignored: there is no such decision; there are ${decisionNames.join(', ')}`,
    );
  });
}

/** Without a stack: the Temporal UI shows it to people below the message. */
function refusal(name: DecisionName, reason: string): ApplicationFailure {
  const failure = ApplicationFailure.nonRetryable(`cannot accept ${name}: ${reason}`, 'DecisionRefused');
  failure.stack = '';
  return failure;
}

function refuse(migration: Migration, name: string, input: unknown, reason: string): DecisionReply {
  const text = (key: string): string | null => {
    const value = typeof input === 'object' && input !== null ? (input as Record<string, unknown>)[key] : undefined;
    return typeof value === 'string' ? value.slice(0, 200) : null;
  };
  migration.decided(name, text('by'), text('comment'), false, reason);
  return { accepted: false, text: reason };
}

/** Which decisions fit now, for status pages. */
export function fitting(migration: Migration): DecisionName[] {
  return (Object.keys(decisionSchemas) as DecisionName[]).filter((name) => whyNot(migration, name) === null);
}
