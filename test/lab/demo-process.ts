import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { migrationReport, type MigrationReport } from '../../src/model/report.js';
import { findTraces, namespaceOf, type Traces } from './traces.js';

const MAIN = fileURLToPath(new URL('../../lab/main.js', import.meta.url));
const START = fileURLToPath(new URL('../../../scripts/start.mjs', import.meta.url));

/** `npm start` after its set-up: a process of its own without a terminal, the leader of its process group. */
export class DemoProcess {
  /** What it wrote to standard output so far. */
  printed = '';
  errors = '';
  private readonly closed: Promise<unknown>;

  private constructor(readonly child: ChildProcessWithoutNullStreams) {
    this.closed = once(child, 'close');
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.printed += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
  }

  /** @param program `main` is the demo itself; `start` what npm runs, which starts it. */
  static start(t: TestContext, options: string[], program: 'main' | 'start' = 'main'): DemoProcess {
    const environment = { ...process.env };
    delete environment['TEMPORAL_ADDRESS'];
    const words = program === 'main' ? ['--enable-source-maps', MAIN] : [START];
    const child = spawn(process.execPath, [...words, ...options], { env: environment, detached: true });
    // Of a test that fails nothing may go on; the group has no members where all went well.
    t.after(() => endGroup(child.pid));
    return new DemoProcess(child);
  }

  /** Waits until `wanted` is in what it printed, which is returned. */
  async until(wanted: RegExp): Promise<string> {
    const { stdout } = this.child;
    let look = (): void => undefined;
    const seen = new Promise<void>((resolve) => {
      look = () => {
        if (wanted.test(this.printed)) resolve();
      };
      stdout.on('data', look);
      look();
    });
    await Promise.race([seen, this.closed]);
    stdout.off('data', look);
    assert.match(this.printed, wanted, this.errors);
    return this.printed;
  }

  /** Its exit status, when all of its output has been read; null where a signal ended it. */
  async end(): Promise<number | null> {
    await this.closed;
    return this.child.exitCode;
  }

  /** Its hosts, when they are up. */
  async hosts(): Promise<DemoHosts> {
    const printed = await this.until(/Starting the Temporal server/);
    const directory = /socket=(\S+?)\/dc-old\//.exec(printed)?.[1];
    assert.ok(directory, printed);
    const of = async (name: string, file: string) => (await readFile(join(directory, name, file), 'utf8')).trim();
    const names = ['dc-old', 'dc-new'];
    const pids = await Promise.all(names.map((name) => of(name, 'pid')));
    return new DemoHosts(
      directory,
      await Promise.all(pids.map((pid) => namespaceOf(Number(pid)))),
      await Promise.all(names.map((name) => of(name, 'interface'))),
    );
  }
}

/** What a demo has on this machine. What it defined in its hosts is in their folder, and goes with it. */
export class DemoHosts {
  constructor(
    readonly directory: string,
    private readonly namespaces: string[],
    private readonly interfaces: string[],
  ) {}

  traces(): Promise<Traces> {
    return findTraces(this.namespaces, this.interfaces, this.directory);
  }
}

export const NOTHING: Traces = { processes: [], mounts: [], interfaces: [] };

/** A folder for a report, which is not there yet. */
export async function reportFolder(t: TestContext): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'vmferry-report-'));
  t.after(() => rm(parent, { recursive: true, force: true }));
  return join(parent, 'report');
}

/** `report.json` of a folder, which must be as its schema says. */
export async function reportIn(folder: string): Promise<MigrationReport> {
  return migrationReport.parse(JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')));
}

/** What the migration made and has not taken away, in the words of its ledger. */
export function staying({ ledger }: MigrationReport): string[] {
  return ledger.filter((entry) => entry.removedAt === null).map(({ kind, site }) => `${kind} at ${site}`);
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // There is none any more.
  }
}
