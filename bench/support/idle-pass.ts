import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../activities/index.js';
import { diskPrintOf, hardwarePrintOf } from '../../activities/assess.js';
import type { Site } from '../../activities/deps.js';
import type { PassInput, PassResult } from '../../activities/io.js';
import { startLab, type Lab } from '../../lab/lab.js';
import type { LabHost } from '../../lab/host/lab-host.js';
import { vmferryConfig } from '../../src/config.js';
import type { Host } from '../../src/exec/host.js';
import { connectLibvirt } from '../../src/platforms/libvirt/connect.js';
import { createLibvirtSource } from '../../src/platforms/libvirt/source.js';
import { createLibvirtTarget } from '../../src/platforms/libvirt/target.js';
import { Virsh } from '../../src/platforms/libvirt/virsh.js';
import { createLibvirtVmSite } from '../../src/platforms/libvirt/vm-site.js';
import { defineVm, startPaused } from '../../test/platforms/libvirt/lab-vm.js';

const MIGRATION = '0123456789ab';
export const VM = 'idle';

/** One command at a site: what it was, and when, in milliseconds. */
export interface Command {
  shown: string;
  startedMs: number;
  endedMs: number;
}

/** A running VM whose processor stands still at one lab host, and its replica at the other; both reached locally. */
export class IdlePasses {
  private number = 0;

  private constructor(
    readonly lab: Lab,
    /** Every command since it was last emptied. */
    readonly commands: Command[],
    private readonly sites: ReadonlyMap<string, Site>,
    private readonly disks: readonly string[],
    private readonly prints: Pick<PassInput, 'diskPrint' | 'hardwarePrint'>,
  ) {}

  /** @param sizeMib of each qcow2 disk. */
  static async start(diskCount: number, sizeMib: number): Promise<IdlePasses> {
    const lab = await startLab();
    try {
      const commands: Command[] = [];
      const sites = new Map([lab.old, lab.new].map((host) => [host.name, localSite(host, commands)]));
      const ids = Array.from({ length: diskCount }, (_, index) => `vd${String.fromCharCode(97 + index)}`);
      const disks = ids.map((id) => ({ id, format: 'qcow2' as const, sizeMib }));
      await defineVm(lab.old, VM, disks);
      await startPaused(lab.old, VM);
      const [source, target] = [sites.get(lab.old.name)!, sites.get(lab.new.name)!];
      const found = await source.describe(VM);
      await target.createReplica({
        owner: { migrationId: MIGRATION, workflowId: 'bench', cluster: 'bench', namespace: 'default' },
        targetName: VM,
        disks: ids.map((id) => ({ id, sizeBytes: sizeMib * 2 ** 20, format: 'qcow2', storage: null })),
      });
      const prints = { diskPrint: diskPrintOf(found), hardwarePrint: hardwarePrintOf(found) };
      return new IdlePasses(lab, commands, sites, ids, prints);
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** One pass, as a worker runs it: the seed first, then deltas. */
  async run(): Promise<PassResult> {
    const number = this.number++;
    const input: PassInput = {
      migrationId: MIGRATION,
      vm: VM,
      source: this.lab.old.name,
      target: this.lab.new.name,
      targetName: VM,
      generation: number,
      number,
      kind: number === 0 ? 'seed' : 'delta',
      disks: [...this.disks],
      quiesce: 'auto',
      bandwidth: null,
      verify: true,
      audit: false,
      ...this.prints,
    };
    const activities = createActivities({
      config: vmferryConfig.parse({ version: 1, sites: {} }),
      site: (name) => this.sites.get(name)!,
      cluster: 'bench',
      workflowRuns: () => Promise.resolve(false),
      reports: this.lab.directory,
    });
    return new MockActivityEnvironment().run((pass: PassInput) => activities.runPass(pass), input);
  }

  async stop(): Promise<void> {
    await this.sites.get(this.lab.old.name)!.endPoints(VM, MIGRATION);
    await this.lab.stop();
  }
}

function localSite(host: LabHost, commands: Command[]): Site {
  const connection = connectLibvirt(host.name, host.localConfig);
  const counted = countedHost(connection.host, commands);
  const at = { ...connection, host: counted, virsh: new Virsh(counted, connection.virsh.uri) };
  return { ...createLibvirtVmSite(at), ...createLibvirtSource(at), ...createLibvirtTarget(at) };
}

function countedHost(host: Host, commands: Command[]): Host {
  return {
    name: host.name,
    local: host.local,
    runBinary: (...args) => host.runBinary(...args),
    forwardSocket: (...args) => host.forwardSocket(...args),
    converse: (...args) => host.converse(...args),
    close: () => host.close(),
    async run(command, args, options) {
      const startedMs = performance.now();
      try {
        return await host.run(command, args, options);
      } finally {
        const shown = [command, ...args].join(' ').replaceAll(/\s+/g, ' ');
        commands.push({ shown, startedMs, endedMs: performance.now() });
      }
    },
  };
}
