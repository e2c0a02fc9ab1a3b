import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalHost } from '../../src/exec/local.js';
import type { World } from './world.js';

type Side = 'old' | 'new';
const SIDES: readonly Side[] = ['old', 'new'];
const URI = 'qemu:///system';

/** When a VM ran at one host, in ms; no end while it runs. */
export interface Stretch {
  from: number;
  to: number | null;
}

/** virsh-event(1) with --timestamp: one line for each event, written when libvirt tells of it. */
const EVENT = /^(\S+ \S+?): event 'lifecycle' for domain '?([^:']+)'?: (Stopped|Suspended|Resumed)\b/;

/**
 * Notes every start and stop of a VM at both hosts, from libvirt's own events, past ssh and the links. So it cannot miss a
 * short run, as one who only looks now and then would. That both run, even with the network of one unplugged, is wrong.
 */
export class BothWatch {
  private constructor(
    private readonly vm: string,
    private readonly sides: Record<Side, SideWatch>,
  ) {}

  /** @param targetName what it is called at dc-new. Default: as at dc-old. */
  static async start(world: World, vm: string, targetName = vm): Promise<BothWatch> {
    const name = { old: vm, new: targetName };
    const [old, fresh] = await Promise.all(SIDES.map((side) => SideWatch.start(world.lab[side].pid, name[side])));
    return new BothWatch(vm, { old: old!, new: fresh! });
  }

  /** When it ran at one of the hosts, since the watch began. */
  stretches(side: Side): readonly Stretch[] {
    return this.sides[side].stretches;
  }

  /** Ends the watch. @returns when both ran, in words; empty is right. @throws Error when the watch itself was not sound. */
  async stop(): Promise<string[]> {
    await Promise.all(SIDES.map((side) => this.sides[side].stop()));
    return this.seen();
  }

  /** What `stop` returns, so far. */
  seen(): string[] {
    return this.stretches('old').flatMap((a) =>
      this.stretches('new')
        .map((b) => ({ from: Math.max(a.from, b.from), to: Math.min(a.to ?? Infinity, b.to ?? Infinity) }))
        .filter(({ from, to }) => from < to)
        .map(({ from, to }) => {
          const end = to === Infinity ? 'now' : new Date(to).toISOString();
          return `${this.vm} ran at both hosts from ${new Date(from).toISOString()} to ${end}`;
        }),
    );
  }

  /** The VM was seen to run at that host since the watch began. */
  ran(side: Side): boolean {
    return this.stretches(side).length > 0;
  }
}

class SideWatch {
  readonly stretches: Stretch[] = [];
  private rest = '';

  private constructor(
    private readonly pid: number,
    private readonly vm: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(pid: number, vm: string): Promise<SideWatch> {
    // The first command is answered when the connection stands; the next one listens.
    const listen = ['virsh', '-q', '-c', URI, 'hostname; event --event lifecycle --loop --timestamp'];
    // Ends with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...inside(pid), 'stdbuf', '-oL', ...listen], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const watch = new SideWatch(pid, vm, child);
    child.stdout.setEncoding('utf8').on('data', (text: string) => watch.take(text));
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    await sleep(200);
    watch.assertAlive();
    if ((await watch.runs()) && !watch.running) watch.stretches.push({ from: Date.now(), to: null });
    return watch;
  }

  async stop(): Promise<void> {
    if (this.child.killed) return;
    this.assertAlive();
    const runs = await this.runs();
    // The last event may still be under way.
    for (let tries = 0; this.running !== runs && tries < 50; tries++) await sleep(100);
    const ended = once(this.child, 'exit');
    this.child.kill();
    await ended;
    if (this.running !== runs)
      throw new Error(`events say that ${this.vm} ${this.running ? 'runs' : 'is off'}, libvirt says otherwise`);
  }

  private get running(): boolean {
    const last = this.stretches.at(-1);
    return last !== undefined && last.to === null;
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, at, vm, what] = EVENT.exec(line) ?? [];
      if (at === undefined || vm !== this.vm) continue;
      const atMs = Date.parse(at.replace(' ', 'T'));
      // A start resumes the CPUs, unless it was asked to leave them paused; a VM that is paused does not run.
      if (what === 'Resumed' && !this.running) this.stretches.push({ from: atMs, to: null });
      else if (what !== 'Resumed' && this.running) this.stretches.at(-1)!.to = atMs;
    }
  }

  private assertAlive(): void {
    const { exitCode, signalCode } = this.child;
    if (exitCode !== null || signalCode !== null)
      throw new Error(`nobody listens to libvirt's events: ${exitCode ?? signalCode}`);
  }

  private async runs(): Promise<boolean> {
    const ask = [...inside(this.pid), 'virsh', '-q', '-c', URI, 'domstate', this.vm];
    const { stdout } = await new LocalHost().run(ask[0]!, ask.slice(1), { okExitCodes: [0, 1] });
    return /^(running|in shutdown)/m.test(stdout);
  }
}

/** Past ssh and the link, which tests cut. */
function inside(pid: number): string[] {
  return ['nsenter', '-t', String(pid), '-a', '--'];
}
