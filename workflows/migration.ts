import { ApplicationFailure, patched, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { Conversion, ConversionRecord } from '../src/model/conversion.js';
import { formatCount } from '../src/model/format.js';
import { devicesInWords } from '../src/model/target.js';
import type {
  Evidence,
  MigrationStatus,
  PassRecord,
  Phase,
  PreparationRecord,
  ProbeResult,
} from '../src/model/status.js';
import type { MigrateVmRequest } from '../src/request/migrate-vm.js';
import type { Assessment, Ref } from '../activities/io.js';
import { atBegin, type Carried, type Marks, type Side, type Wishes } from './carried.js';
import { fitting } from './decisions.js';
import { detailsOf } from './details.js';
import { predict } from './prediction.js';

/** Kept of each list, so that weeks of waiting fit into one continue-as-new. What is dropped is counted. */
const KEPT_PASSES = 50;
const KEPT_TRAIL = 500;
const KEPT_EVENTS = 500;
const KEPT_PHASES = 300;
const KEPT_EVIDENCE = 40;
const KEPT_PREPARATION = 200;
const KEPT_CONVERSIONS = 4;
/** Of a tool's last words: a status has to fit into a continue-as-new (2 MiB). */
const MOST_CHARACTERS = 1_000;

export const searchKeys = {
  phase: defineSearchAttributeKey('VmferryPhase', SearchAttributeType.KEYWORD),
  vm: defineSearchAttributeKey('VmferryVm', SearchAttributeType.KEYWORD),
  source: defineSearchAttributeKey('VmferrySource', SearchAttributeType.KEYWORD),
  target: defineSearchAttributeKey('VmferryTarget', SearchAttributeType.KEYWORD),
};

/** The state of one migration: status for people, marks for the way back, wishes from decisions. */
export class Migration {
  readonly ref: Ref;
  /** Counts everything that happened, so that waits notice. */
  version = 0;
  /** Set while the guest did not stop and a human is asked. */
  askingForce = false;
  /** The sides that a human may declare down, while a step waits for one. */
  unreachable: readonly Side[] = [];
  /** False when a site is named that does not exist: nobody there could be told, or write a report. */
  sitesExist = true;
  private published: Phase | null = null;

  constructor(
    readonly request: MigrateVmRequest,
    readonly carried: Carried,
  ) {
    const { migrationId, vm, source, target, targetName } = carried.status;
    // None in what a run of an older version hands on.
    carried.status.preparation ??= [];
    this.ref = { migrationId, vm, source, target, targetName };
  }

  static begin(request: MigrateVmRequest): Migration {
    return new Migration(request, atBegin(request));
  }

  get status(): MigrationStatus {
    return this.carried.status;
  }

  get wishes(): Wishes {
    return this.carried.wishes;
  }

  get marks(): Marks {
    return this.carried.marks;
  }

  /** @throws when asked before `assessing` ended, which is a defect. */
  get assessment(): Assessment {
    if (!this.carried.assessment) throw ApplicationFailure.nonRetryable('the VM was not assessed yet', 'Internal');
    return this.carried.assessment;
  }

  get seeded(): boolean {
    return this.status.passCount > 0;
  }

  enter(phase: Phase, waitingFor: string | null = null): void {
    const { status } = this;
    status.waitingFor = waitingFor;
    if (status.phase === phase) return this.changed();
    const now = new Date().toISOString();
    const open = status.phases.at(-1);
    if (open && open.endedAt === null) open.endedAt = now;
    status.phase = phase;
    keep(status.phases, { name: phase, startedAt: now, endedAt: null }, KEPT_PHASES);
    this.changed();
  }

  /** Shows the state of now in the workflow's current details, and wakes what waits. */
  changed(): void {
    this.version++;
    this.status.decisions = fitting(this);
    setCurrentDetails(detailsOf(this.status));
  }

  /** Shows the phase in the search attributes. Called where the run is about to wait: a phase of no length costs no event. */
  publish(): void {
    const { status } = this;
    if (this.published === status.phase) return;
    this.published = status.phase;
    upsertSearchAttributes([
      { key: searchKeys.phase, value: status.phase },
      { key: searchKeys.vm, value: status.vm },
      { key: searchKeys.source, value: status.source },
      { key: searchKeys.target, value: status.target },
    ]);
  }

  close(): void {
    const open = this.status.phases.at(-1);
    if (open && open.endedAt === null) open.endedAt = new Date().toISOString();
  }

  event(text: string): void {
    keep(this.status.events, { at: new Date().toISOString(), text: brief(text) }, KEPT_EVENTS);
    this.changed();
  }

  decided(name: string, by: string | null, comment: string | null, accepted: boolean, reason: string | null): void {
    keep(
      this.status.trail,
      { name, by, at: new Date().toISOString(), comment, accepted, reason: reason && brief(reason) },
      KEPT_TRAIL,
    );
    this.changed();
  }

  /** Writes an outside resource down, before it is created. */
  expect(kind: string, site: string, name: string): void {
    if (
      this.status.ledger.some(
        (each) => each.kind === kind && each.site === site && each.name === name && each.removedAt === null,
      )
    )
      return;
    this.status.ledger.push({ kind, site, name, createdAt: new Date().toISOString(), removedAt: null });
  }

  removed(kind: string, except?: string): void {
    const now = new Date().toISOString();
    for (const entry of this.status.ledger) {
      if (entry.kind === kind && entry.removedAt === null && entry.name !== except) entry.removedAt = now;
    }
    // Points and checkpoints come and go with every pass: those long gone are of no use to anybody.
    for (const passing of ['checkpoint', 'point']) {
      const gone = this.status.ledger.filter((entry) => entry.kind === passing && entry.removedAt !== null);
      const drop = new Set(gone.slice(0, Math.max(0, gone.length - 10)));
      this.status.ledger = this.status.ledger.filter((entry) => !drop.has(entry));
    }
    const first = this.status.ledger.findIndex((entry) => entry.removedAt !== null);
    if (this.status.ledger.length > KEPT_PHASES && first >= 0) this.status.ledger.splice(first, 1);
  }

  addPass(record: PassRecord): void {
    this.status.passCount = record.number;
    this.status.passes.push(record);
    if (this.status.passes.length > KEPT_PASSES) this.status.passes.splice(1, 1);
    // What was predicted stands from here on, to be held against what is measured.
    if (record.kind !== 'final') this.repredict();
  }

  /** Notes changes in the guest; one of the same thing takes the place of the one before. */
  prepared(records: readonly PreparationRecord[]): void {
    const { preparation } = this.status;
    for (const record of records) {
      const same = preparation.findIndex((each) => each.action === record.action && each.subject === record.subject);
      const kept = { ...record, result: brief(record.result), commands: record.commands.map(brief) };
      if (same >= 0) preparation[same] = kept;
      else keep(preparation, kept, KEPT_PREPARATION);
    }
    this.changed();
  }

  /** Takes the approval back; another is needed from here on, and people are told so. */
  withdrawApproval(): void {
    this.status.approval = null;
    this.carried.approvalRequired = true;
    if (!this.carried.announced.some((each) => each.startsWith('awaited'))) return;
    // `patched` can go with the last migration that was begun before 2026-12.
    if (this.request.notify && !patched('tell-again')) return;
    this.carried.announced = this.carried.announced.filter((each) => !each.startsWith('awaited'));
  }

  addEvidence(probes: ProbeResult[], evidence: Evidence[]): void {
    this.status.probes = probes;
    for (const each of evidence) keep(this.status.evidence, each, KEPT_EVIDENCE);
  }

  /** What it found of the guest stands among the findings until the next one says otherwise. */
  addConversion(stage: ConversionRecord['stage'], { description, ...rest }: Conversion): void {
    const { status } = this;
    status.conversions ??= [];
    const record = { ...rest, at: new Date().toISOString(), stage, devices: devicesInWords(description) };
    keep(status.conversions, record, KEPT_CONVERSIONS);
    // It looked at all that an assessment looks at in there, too.
    const others = status.findings.filter(({ id }) => !id.startsWith('guest.'));
    status.findings = [...others, ...rest.findings];
    const what = rest.changes.length === 0 ? 'nothing in it was changed' : formatCount(rest.changes.length, 'change');
    const guest = rest.guest ?? 'an unknown guest';
    this.event(`${stage}: ${guest}, conversion ${rest.kind}, ${what}; ${record.devices}`);
  }

  repredict(): void {
    const { assessment } = this.carried;
    // Downtime ends when a target answers; where none is started, there is nothing to predict.
    this.status.prediction = assessment?.package
      ? null
      : predict(this.status.passes, this.carried.rehearsal, Date.now(), Boolean(assessment?.conversion));
    this.status.predictedDowntimeMs = this.status.prediction?.downtimeMs ?? null;
    this.changed();
  }
}

function brief(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

function keep<T>(list: T[], item: T, limit: number): void {
  list.push(item);
  if (list.length > limit) list.splice(0, list.length - limit);
}
