import type { Abilities } from '../../model/abilities.js';
import type { SourceSite, TargetSite, VmSite } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { describe } from './domain.js';
import { consoleText, screenshot } from './evidence.js';
import { guestFacts } from './guest.js';
import { agentFacts, guestExec, guestFilesystems, guestTrim } from './guest-inside.js';
import { inventory } from './inventory.js';
import { forceOff, requestShutdown, resetWithin, runState, setAutostart, start } from './power.js';
import { probe } from './probe.js';
import { tools } from './tools.js';
import { whereabouts } from './whereabouts.js';

/**
 * The two sides of a libvirt site are made apart, each as an object of methods over one connection, and put together by
 * the registry with `createLibvirtVmSite`.
 */
export type SourcePart = Omit<SourceSite, keyof VmSite>;
export type TargetPart = Omit<TargetSite, keyof VmSite>;

const ABILITIES: Abilities = {
  source: true,
  target: true,
  boots: true,
  changeTracking: true,
  quiesce: true,
  guestAgent: true,
  isolatedBoot: true,
};

/** What both sides of a libvirt site share. `close` ends the connection for both. */
export function createLibvirtVmSite(at: LibvirtConnection): VmSite {
  return {
    site: at.site,
    platform: 'libvirt',
    abilities: ABILITIES,
    tools: (signal) => tools(at, signal),
    inventory: (signal) => inventory(at, signal),
    describe: (vm, signal) => describe(at, vm, signal),
    runState: (vm, signal) => runState(at, vm, signal),
    whereabouts: (vm, disks, signal) => whereabouts(at, vm, disks, signal),
    setAutostart: (vm, on, signal) => setAutostart(at, vm, on, signal),
    start: (vm, signal) => start(at, vm, signal),
    requestShutdown: (vm, signal) => requestShutdown(at, vm, signal),
    forceOff: (vm, signal) => forceOff(at, vm, signal),
    guestFacts: (vm, signal, ports) => guestFacts(at, vm, signal, ports),
    agentFacts: (vm, signal) => agentFacts(at, vm, signal),
    guestExec: (vm, command, options, signal) => guestExec(at, vm, command, options, signal),
    guestTrim: (vm, signal) => guestTrim(at, vm, signal),
    guestFilesystems: (vm, signal) => guestFilesystems(at, vm, signal),
    probe: (vm, wanted, signal) => probe(at, vm, wanted, signal),
    resetWithin: (vm, waitMs, signal) => resetWithin(at, vm, waitMs, signal),
    screenshot: (vm, signal) => screenshot(at, vm, signal),
    consoleText: (vm, signal) => consoleText(at, vm, signal),
    close: () => at.host.close(),
  };
}
