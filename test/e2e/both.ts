import { setTimeout as sleep } from 'node:timers/promises';
import { LocalHost } from '../../src/exec/local.js';
import type { World } from './world.js';

/** Looks twice a second whether a VM runs at both hosts with its network plugged, past ssh and the links. */
export class BothWatch {
  private readonly stopped = new AbortController();
  private readonly done: Promise<void>;
  private readonly machine = new LocalHost();
  looks = 0;
  /** When both were seen. */
  readonly seen: string[] = [];

  private constructor(
    private readonly world: World,
    private readonly vm: string,
    private readonly mac: string,
  ) {
    this.done = this.watch();
  }

  static async start(world: World, vm: string): Promise<BothWatch> {
    const mac = /<mac address='([^']+)'/.exec(await world.virsh('old', 'dumpxml', vm))?.[1];
    if (!mac) throw new Error(`${vm} has no network card`);
    return new BothWatch(world, vm, mac);
  }

  /** Ends the watch. @returns when both were seen to run with links up; empty is right. */
  async stop(): Promise<string[]> {
    this.stopped.abort();
    await this.done;
    if (this.looks === 0) throw new Error('nobody looked');
    return this.seen;
  }

  private async watch(): Promise<void> {
    while (!this.stopped.signal.aborted) {
      // In this order: the source that runs before and after the look at the target ran during it.
      if ((await this.live('old')) && (await this.live('new')) && (await this.live('old')))
        this.seen.push(new Date().toISOString());
      this.looks += 1;
      await sleep(500);
    }
  }

  private async live(site: 'old' | 'new'): Promise<boolean> {
    const ask = ['-q', '-c', 'qemu:///system', `domstate ${this.vm}; domif-getlink ${this.vm} ${this.mac}`];
    const inside = ['-t', String(this.world.lab[site].pid), '-a', '--', 'virsh', ...ask];
    const { stdout } = await this.machine.run('nsenter', inside, { okExitCodes: [0, 1] });
    return /^running/m.test(stdout) && / up$/m.test(stdout);
  }
}
