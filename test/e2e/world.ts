import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { Client, Connection } from '@temporalio/client';
import { startTemporal, type EmbeddedTemporal } from '#temporal';
import {
  defineGuest,
  removeGuest,
  startGuest,
  waitForGuest,
  type Guest,
  type GuestOptions,
} from '../../lab/guest/guest.js';
import { startLab, type Lab } from '../../lab/lab.js';
import { startRecorder, type Recorder } from '../../lab/recorder.js';
import { LocalHost } from '../../src/exec/local.js';
import type { MigrateVmInput } from '../../src/request/migrate-vm.js';
import { Run } from '../run.js';

const WORKER = fileURLToPath(new URL('worker-process.js', import.meta.url));
/**
 * Far from the usual ports, so that a running `npm start` is left alone; and by chance, as two worlds that start at the same
 * moment would both find the same one free, and then share a server.
 */
const PORTS = { from: 17_233, to: 27_233, ui: 10_000 };
/** Emulated guests on a busy machine are slow; who waits longer waits in vain. */
export const PATIENCE_MS = 600_000;

/** Two real hosts, a real guest that counts, a real Temporal server, and workers as processes that can be killed. */
export class World {
  readonly workers: ChildProcess[] = [];
  readonly machine = new LocalHost();
  private connection: Connection | undefined;

  private constructor(
    readonly lab: Lab,
    public temporal: EmbeddedTemporal,
    /** What the guest acknowledged at dc-old. */
    readonly recorder: Recorder,
    /** At the target the guest finds a recorder, too. */
    readonly targetRecorder: Recorder,
  ) {}

  static async start(): Promise<World> {
    const lab = await startLab();
    try {
      const port = randomInt(PORTS.from, PORTS.to);
      const dbFile = join(lab.directory, 'temporal.db');
      const temporal = await startTemporal({ dbFile, port, uiPort: port + PORTS.ui });
      try {
        const recorder = await startRecorder(lab.old);
        return new World(lab, temporal, recorder, await startRecorder(lab.new));
      } catch (error) {
        await temporal.stop();
        throw error;
      }
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** Ends everything; in a test that fails, too. */
  async stop(): Promise<void> {
    for (const worker of [...this.workers]) await this.endWorker(worker, 'SIGKILL');
    await this.connection?.close();
    await this.temporal.stop();
    await this.lab.stop();
  }

  /** A guest at dc-old that runs and answers. */
  async guest(options: GuestOptions): Promise<Guest> {
    const guest = await defineGuest(this.lab.old, options);
    await startGuest(this.lab.old, guest);
    await waitForGuest(this.lab.old, guest);
    return guest;
  }

  async startWorker(): Promise<ChildProcess> {
    const log = join(this.lab.directory, 'worker.log');
    const program = [process.execPath, '--enable-source-maps', WORKER, this.lab.configPath, this.temporal.address];
    const worker = spawn(
      'setpriv',
      // Ends with this process, however that ends.
      ['--pdeathsig', 'KILL', '--', ...program],
      // What a killed worker leaves in its folder for temporary files goes with the lab.
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: this.lab.directory } },
    );
    this.workers.push(worker);
    worker.stderr.on('data', (data: Buffer) => void appendFile(log, data).catch(() => undefined));
    const ready = once(worker.stdout, 'data').then(() => true);
    const ended = once(worker, 'exit').then(() => false);
    if (!(await Promise.race([ready, ended])))
      throw new Error(`the worker ended at once: ${await readFile(log, 'utf8').catch(() => '')}`);
    return worker;
  }

  async endWorker(worker: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.workers.splice(this.workers.indexOf(worker), 1);
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    const ended = once(worker, 'exit');
    worker.kill(signal);
    await ended;
  }

  /** kill -9 of every worker. */
  async killWorkers(): Promise<void> {
    await Promise.all([...this.workers].map((worker) => this.endWorker(worker, 'SIGKILL')));
  }

  /** Ends the Temporal server and starts it again on the same port, by default with the same database. */
  async restartTemporal(database = 'temporal.db'): Promise<void> {
    await this.temporal.stop();
    await this.connection?.close();
    this.connection = undefined;
    const port = Number(this.temporal.address.split(':')[1]);
    const dbFile = join(this.lab.directory, database);
    this.temporal = await startTemporal({ dbFile, port, uiPort: port + PORTS.ui });
  }

  async client(): Promise<Client> {
    this.connection ??= await Connection.connect({ address: this.temporal.address });
    return new Client({ connection: this.connection });
  }

  async migrate(vm: string, request: Partial<MigrateVmInput> = {}, workflowId = `migrate-dc-old-${vm}`): Promise<Run> {
    const client = await this.client();
    const full = {
      vm,
      source: 'dc-old',
      target: 'dc-new',
      sync: { interval: '60s', minInterval: '1s', convergedBelow: '16MiB' },
      ...request,
    };
    const handle = await client.workflow.start('migrateVm', { taskQueue: 'vmferry', workflowId, args: [full] });
    return new Run(handle, PATIENCE_MS);
  }

  /** A migration that runs, met again. */
  async follow(workflowId: string): Promise<Run> {
    return new Run((await this.client()).workflow.getHandle(workflowId), PATIENCE_MS);
  }

  /** What a human does who has mended what the migration waits for. */
  async resumeIfAsked(run: Run): Promise<void> {
    if ((await run.status()).phase === 'needs-attention') await run.update('resume');
  }

  /** Changes settings of a site, or adds one, for workers that are started from now on. */
  async configure(site: string, settings: Record<string, unknown>): Promise<void> {
    const { configPath } = this.lab;
    const config = parse(await readFile(configPath, 'utf8')) as { sites: Record<string, object> };
    config.sites[site] = { ...config.sites[site], ...settings };
    await writeFile(configPath, stringify(config));
  }

  async until(what: string, reached: () => Promise<boolean>, patienceMs = PATIENCE_MS): Promise<void> {
    const endsAt = Date.now() + patienceMs;
    while (!(await reached())) {
      if (Date.now() > endsAt) throw new Error(`never ${what}`);
      await sleep(200);
    }
  }

  /** What virsh prints at one of the hosts; past ssh and the link, which may be cut. */
  async virsh(site: 'old' | 'new', ...args: string[]): Promise<string> {
    const inside = ['-t', String(this.lab[site].pid), '-a', '--', 'virsh', '-q', '-c', 'qemu:///system'];
    const { stdout } = await this.machine.run('nsenter', [...inside, ...args], { okExitCodes: [0, 1] });
    return stdout.trim();
  }

  /** What a migration left behind at both hosts: processes, files, checkpoints. Watchdogs end within a second or two. */
  async leftovers(migrationId: string): Promise<string[]> {
    const until = Date.now() + 5_000;
    for (;;) {
      const left = await this.leftNow(migrationId);
      const processes = left.filter((line) => !/^(old|new): \//.test(line));
      if (processes.length === 0 || Date.now() > until) return left;
      await sleep(500);
    }
  }

  private async leftNow(migrationId: string): Promise<string[]> {
    const left: string[] = [];
    for (const site of ['old', 'new'] as const) {
      const { host } = this.lab[site];
      // A replica that is kept keeps the mark, too, that its cutover was undone.
      const files = await host.run('sh', [
        '-c',
        'find /var/lib/vmferry /var/lib/libvirt -name "*$1*" ! -name "*-$1.qcow2" ! -name "*-$1.raw" ! -path "*/.vmferry-$1/undone-$1" 2>/dev/null; true',
        'sh',
        migrationId,
      ]);
      // Of qemu-nbd, watchdogs and thaws; not of this look itself.
      const look =
        'for p in /proc/[0-9]*; do [ "${p#/proc/}" = $$ ] || tr "\\0\\n" "  " < $p/cmdline 2>/dev/null | grep -E "^[^ ]*(qemu-nbd|sleep|sh) " | grep -v leftovers-look | grep -- "$1"; done; true';
      const processes = await host.run('sh', ['-c', look, 'leftovers-look', migrationId]);
      left.push(
        ...[...files.stdout.split('\n'), ...processes.stdout.split('\n')]
          .filter(Boolean)
          .map((line) => `${site}: ${line}`),
      );
    }
    for (const name of (await this.virsh('old', 'list', '--all', '--name')).split('\n').filter(Boolean)) {
      const checkpoints = (await this.virsh('old', 'checkpoint-list', name, '--name')).trim();
      if (checkpoints) left.push(`old: checkpoints of ${name}: ${checkpoints}`);
    }
    return left;
  }

  /** Both sides of a guest gone, so that the next test finds the hosts as this one did. */
  async forget(guest: Guest): Promise<void> {
    await removeGuest(this.lab.old, guest);
    await removeGuest(this.lab.new, { ...guest, disks: [] });
    await this.lab.new.host.run('sh', ['-c', 'rm -rf -- "$1"/.vmferry-* "$1"/*', 'sh', this.lab.new.images]);
  }

  /** A folder of this world's own, gone with it. */
  async folder(name: string): Promise<string> {
    const path = join(this.lab.directory, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  /** A site of files in a folder of this world's own, for workers that are started from now on. @returns the folder. */
  async filesSite(name: string): Promise<string> {
    const path = await this.folder(name);
    // Sockets have short paths.
    await this.configure(name, { platform: 'files', path, stateDir: join(this.lab.directory, 's') });
    return path;
  }
}
