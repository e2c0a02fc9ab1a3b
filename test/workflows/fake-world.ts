import { ApplicationFailure } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import type { MigrationActivities, PassInput, PassResult } from '../../activities/io.js';
import type { PackagePlan } from '../../src/model/package.js';
import type { Conversion, ConversionKind, ConversionWish } from '../../src/model/conversion.js';
import type { MigrationStatus } from '../../src/model/status.js';
import type { VmDescription } from '../../src/model/vm.js';
import { migrateVmRequest } from '../../src/request/migrate-vm.js';

/**
 * A source and a target in memory, to try the workflow's decisions against. Leaves out: disks, time that copying takes,
 * guests. Holds the first invariant itself: a start while the other side runs is an error that `violations` keeps.
 */
export class FakeWorld {
  sourceRuns = true;
  targetRuns = false;
  targetDefined = false;
  targetPlugged = false;
  claimed = false;
  replica = false;
  whole = 0;
  autostart = true;
  rehearsing = false;
  converted = false;
  /** Network cards of what was started at last. */
  startedWith: string[] = [];
  readonly unknownSites = new Set<string>();
  readonly violations: string[] = [];
  readonly calls: string[] = [];
  readonly passInputs: PassInput[] = [];
  readonly notices: string[] = [];
  readonly watchedForMs: number[] = [];
  /** Steps of preparation that were done, in order. */
  readonly prepared: string[] = [];
  /** Services that run, and those that the claim says were stopped. */
  readonly services = new Set<string>();
  readonly noted = new Set<string>();
  readonly putBacks: { traces: boolean; giveUp: boolean }[] = [];
  /** Of each step that starts or plugs in the target: whether the source was declared down. */
  readonly confirmedDown: boolean[] = [];
  /** Name under which the history is recorded, where that is asked for. */
  recordAs: string | null = null;
  /** Thrown by the activity of that name, the oldest first. */
  readonly failures: Partial<Record<keyof MigrationActivities, Error[]>> = {};
  /** Bytes that each delta changes. */
  deltaBytes = 1_000;
  guestStops = true;
  /** Root digest of the replica that is kept. */
  keptRoot: string | null = null;
  /** The guest stops only when the migration is going back. */
  stopsLate = false;
  probesPass = true;
  /** Whether the source can be retired along with the target's becoming final. */
  retires = true;
  rehearsalPasses = true;
  /** What the target writes, where it starts nothing. */
  package: PackagePlan | null = null;
  /** Asked for by the assessment, and what the rehearsal makes of it. */
  conversion: ConversionWish | null = null;
  rehearsalConverts: ConversionKind = 'light';
  bootMs = 5_000;
  hardware = 'h1';
  /** Without: activities are not heard of while they run, as if their workers were lost. */
  beats = true;
  /** Activities that wait until they are cancelled or taken out of here: before they do anything, or when all is done. */
  readonly held = new Set<keyof MigrationActivities>();
  readonly heldAfter = new Set<keyof MigrationActivities>();
  /** What reports were written of. */
  readonly reports: MigrationStatus[] = [];
  /** Told what the way back asks for. */
  onRestore: (input: Parameters<MigrationActivities['restoreSource']>[0]) => void = () => undefined;
  /** Passes wait for this long, or until they are cancelled. */
  passMs = 0;

  fail(name: keyof MigrationActivities, code: string, retryable = false): void {
    (this.failures[name] ??= []).push(
      ApplicationFailure.create({
        type: code,
        message: `${name} fails with ${code}`,
        nonRetryable: !retryable,
        details: [`mend ${code}`],
      }),
    );
  }

  /** Nothing but what is meant to stay is there. */
  leftovers(): string[] {
    const left: string[] = [];
    if (this.claimed) left.push('claim');
    if (this.targetDefined) left.push('domain');
    if (this.rehearsing) left.push('rehearsal');
    if (this.replica && this.whole === 0) left.push('torn replica');
    return left;
  }

  activities(): MigrationActivities {
    const raw = this.raw();
    return Object.fromEntries(
      (Object.entries(raw) as [keyof MigrationActivities, (input: never) => Promise<unknown>][]).map(([name, run]) => [
        name,
        async (input: never) => {
          this.calls.push(name);
          const failure = this.failures[name]?.shift();
          if (failure) throw failure;
          while (this.held.has(name)) await cancellable(100, this.beats);
          const result = await run(input);
          while (this.heldAfter.has(name)) await cancellable(100, this.beats);
          return result;
        },
      ]),
    ) as unknown as MigrationActivities;
  }

  private check(): void {
    if (this.sourceRuns && this.targetRuns) this.violations.push('source and target run at once');
  }

  private raw(): MigrationActivities {
    const done = Promise.resolve();
    const off = { off: true, tookMs: 10 };
    return {
      checkSites: ({ source, target }) => {
        const unknown = [source, target].find((name) => this.unknownSites.has(name));
        if (unknown === undefined) return done;
        throw ApplicationFailure.nonRetryable(`there is no site ${unknown}; there are: dc-old, dc-new`, 'NotFound');
      },
      assess: ({ request }) => {
        const parsed = migrateVmRequest.parse(request);
        return Promise.resolve({
          description: {
            name: parsed.vm,
            uuid: 'u',
            firmware: 'bios',
            secureBoot: false,
            tpm: null,
            memoryBytes: 1 << 28,
            cpu: { count: 1, sockets: 1, coresPerSocket: 1, threadsPerCore: 1, model: null },
            disks: [],
            removable: [],
            nics: [],
            display: null,
            sound: null,
            guestOs: null,
            machine: null,
            serialPorts: 0,
            guestAgentChannel: true,
            clock: 'utc',
            rng: false,
            nvramPath: null,
            findings: [],
          },
          diskPrint: 'd',
          hardwarePrint: this.hardware,
          running: this.sourceRuns,
          instance: '1',
          autostart: this.autostart,
          facts: { agent: true, hostname: 'guest', addresses: ['192.0.2.7'], openPorts: [80] },
          disks: [{ id: 'vda', sizeBytes: 1 << 30, format: 'qcow2', storage: null }],
          networks: {},
          ...(this.package ? { package: this.package } : {}),
          findings: this.findings,
          conversion: this.conversion,
        });
      },
      prepare: () => {
        this.claimed = true;
        this.replica = true;
        return done;
      },
      prepareGuest: ({ step }) => {
        this.prepared.push(step.kind);
        const rest = { at: new Date().toISOString(), freedBytes: null, putBackAt: null, putBack: null };
        return Promise.resolve([{ action: step.kind, subject: '', commands: ['as told'], result: 'done', ...rest }]);
      },
      stopServices: ({ services }) => {
        const rest = { at: new Date().toISOString(), freedBytes: null, putBackAt: null, putBack: null };
        const running = services.filter((name) => this.services.has(name));
        for (const name of running) {
          this.services.delete(name);
          this.noted.add(name);
        }
        return Promise.resolve(
          services.map((subject) => ({
            action: 'stop-service' as const,
            subject,
            commands: [],
            result: 'as told',
            ...rest,
          })),
        );
      },
      putBackGuest: ({ services, traces, giveUp }) => {
        this.putBacks.push({ traces, giveUp });
        if (!this.sourceRuns) this.violations.push('services started while the source is off');
        if (!this.claimed) this.violations.push('services started without a claim');
        const names = [...new Set([...services, ...this.noted])];
        for (const name of names) this.services.add(name);
        this.noted.clear();
        const removed = traces && this.prepared.includes('virtio-in-initramfs') ? ['/etc/dracut.conf.d/x.conf'] : [];
        return Promise.resolve({ services: names.map((name) => ({ name, error: null })), removed, stays: null });
      },
      runPass: (input) => this.pass(input),
      verifyPass: () =>
        Promise.resolve([{ name: 'vda', sizeBytes: 1 << 30, rootDigest: 'r2', verifiedAt: '2026-01-01T00:00:00Z' }]),
      rehearse: ({ description }) =>
        Promise.resolve({
          passed: this.rehearsalPasses,
          bootMs: this.bootMs,
          stopMs: 2_000,
          defineMs: 500,
          conversion: this.conversion && converted(this.rehearsalConverts, description, 4_000),
          probes: [{ probe: 'guest agent', passed: this.rehearsalPasses, required: true, tookMs: 5, detail: '' }],
          evidence: [],
        }),
      endRehearsal: () => {
        this.rehearsing = false;
        return done;
      },
      holdSource: () => {
        this.autostart = false;
        return Promise.resolve({ facts: null, running: this.sourceRuns });
      },
      stopSource: async ({ timeoutMs }) => {
        if (this.guestStops) this.sourceRuns = false;
        else await cancellable(timeoutMs);
        return { off: !this.sourceRuns, tookMs: 10 };
      },
      forceStopSource: () => {
        this.sourceRuns = false;
        return Promise.resolve(off);
      },
      convertTarget: ({ description }) => {
        this.converted = true;
        return Promise.resolve(converted('light', description, 3_000));
      },
      startTarget: ({ sourceConfirmedDown, description }) => {
        this.startedWith = description.nics.map(({ model }) => model);
        this.confirmedDown.push(sourceConfirmedDown ?? false);
        this.targetDefined = true;
        this.targetRuns = true;
        this.check();
        return done;
      },
      probeTarget: ({ stage, sourceConfirmedDown }) => {
        this.confirmedDown.push(sourceConfirmedDown ?? false);
        if (stage === 'online') this.targetPlugged = true;
        return Promise.resolve({
          passed: this.probesPass,
          firstPassed: this.probesPass,
          firstPassedAgoMs: 0,
          results: [{ probe: stage, passed: this.probesPass, required: true, tookMs: 1, detail: 'as told' }],
          evidence: [],
        });
      },
      writePackage: ({ sourceConfirmedDown, description }) => {
        this.startedWith = description.nics.map(({ model }) => model);
        this.confirmedDown.push(sourceConfirmedDown ?? false);
        this.targetDefined = true;
        return done;
      },
      provePackage: () =>
        Promise.resolve({
          passed: this.probesPass,
          results: [
            { probe: 'package: disk vda', passed: this.probesPass, required: true, tookMs: 1, detail: 'as told' },
          ],
        }),
      finalizeTarget: () => {
        this.replica = false;
        if (this.retires) this.claimed = false;
        return Promise.resolve({ retired: this.retires });
      },
      retireSource: () => {
        this.claimed = false;
        return done;
      },
      removeTarget: () => {
        this.targetRuns = false;
        this.targetDefined = false;
        return done;
      },
      restoreSource: (input) => {
        const { start, autostart } = input;
        this.onRestore(input);
        if (start) this.sourceRuns = !this.stopsLate;
        this.autostart = autostart;
        this.check();
        return done;
      },
      watchSource: ({ forMs }) => {
        this.watchedForMs.push(forMs);
        if (!this.claimed) this.violations.push('watched without a claim');
        this.sourceRuns = true;
        this.check();
        return Promise.resolve({ startedAgain: this.stopsLate });
      },
      cleanSource: () => {
        this.claimed = false;
        return done;
      },
      cleanTarget: () => {
        const kept = this.whole > 0;
        if (!kept) this.replica = false;
        const disk = { name: 'vda', sizeBytes: 1 << 30, rootDigest: this.keptRoot, verifiedAt: null };
        return Promise.resolve({ kept, disks: kept && this.keptRoot !== null ? [disk] : [] });
      },
      answer: () => done,
      notify: ({ notice }) => {
        this.notices.push(notice.event);
        return done;
      },
      writeReport: (status) => {
        this.reports.push(status);
        return Promise.resolve({ path: `/reports/${status.migrationId}/report.html` });
      },
    };
  }

  /** What an audit finds. */
  missedBytes = 0;

  findings: Awaited<ReturnType<MigrationActivities['assess']>>['findings'] = [];

  private async pass(input: PassInput): Promise<PassResult> {
    this.passInputs.push(input);
    if (this.passMs > 0) await cancellable(this.passMs, this.beats);
    if (input.kind === 'final' && this.sourceRuns) this.violations.push('final pass of a running source');
    this.whole = input.number;
    const bytes = input.kind === 'seed' ? 1 << 29 : this.deltaBytes;
    return {
      record: {
        number: input.number,
        kind: input.kind,
        bytesRead: bytes,
        bytesWritten: bytes,
        durationMs: 100,
        resumedFromBytes: 0,
        startedAt: new Date().toISOString(),
        pointInTime: new Date().toISOString(),
        quiesced: true,
        tracking: 'bitmap',
        note: null,
      },
      // As the real one: of the seed only.
      disks: [
        {
          name: 'vda',
          sizeBytes: 1 << 30,
          rootDigest: input.kind === 'seed' ? 'r1' : null,
          verifiedAt: new Date().toISOString(),
        },
      ],
      verified: input.verify,
      checkpoint: input.kind === 'final' ? '' : `vmferry-${input.migrationId}-${input.number}`,
      instance: this.sourceRuns ? '1' : null,
      hardwareChanged: input.hardwarePrint !== this.hardware,
      changedBytes: bytes,
      missedBytes: input.audit ? this.missedBytes : null,
    };
  }
}

/** Waits as a real activity would: heartbeats, and ends when it is cancelled. */
async function cancellable(milliseconds: number, beats = true): Promise<void> {
  const context = Context.current();
  const timer = setInterval(() => beats && context.heartbeat(), 200);
  try {
    await context.sleep(milliseconds);
  } finally {
    clearInterval(timer);
  }
}

/** A guest with one network card, which is e1000 at the source. */
function converted(kind: ConversionKind, description: VmDescription, tookMs: number): Conversion {
  const nics = [{ mac: '52:54:00:00:00:01', network: 'lan', networkKind: 'network' as const, model: 'virtio' }];
  return {
    kind,
    guest: 'Debian GNU/Linux 12',
    changes: kind === 'none' ? [] : ['/etc/fstab: by UUID'],
    findings: [{ id: 'guest.console-grubenv', severity: 'info', message: 'one', remedy: 'none' }],
    tookMs,
    description: { ...description, nics },
  };
}
