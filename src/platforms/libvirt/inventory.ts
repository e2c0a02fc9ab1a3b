import type { PowerState, VmSummary } from '../../model/vm.js';
import { allDomains } from './all-domains.js';
import type { LibvirtConnection } from './connect.js';
import { hardDisks } from './describe-disks.js';
import { memoryBytes } from './memory-bytes.js';

/** virDomainState of libvirt's public interface, as `domstats` numbers it. */
const STATES: Record<number, PowerState> = {
  1: 'running',
  2: 'running',
  3: 'paused',
  4: 'running',
  5: 'off',
  6: 'crashed',
  7: 'paused',
};

export async function inventory(at: LibvirtConnection, signal?: AbortSignal): Promise<VmSummary[]> {
  const [domains, states] = [await allDomains(at, signal), await powerStates(at, signal)];
  const summaries = domains.map(({ name, uuid, domain }): VmSummary => ({
    name,
    uuid,
    state: states.get(name) ?? 'other',
    memoryBytes: memoryBytes(domain.at('memory')),
    cpus: Number(domain.at('vcpu')?.get('current') ?? domain.text('vcpu') ?? 1),
    disks: hardDisks(domain).length,
  }));
  return summaries.sort((a, b) => a.name.localeCompare(b.name));
}

async function powerStates(at: LibvirtConnection, signal?: AbortSignal): Promise<Map<string, PowerState>> {
  const states = new Map<string, PowerState>();
  const text = await at.virsh.run(['domstats', '--state', '--nowait'], { signal });
  for (const [, name, state] of text.matchAll(/^Domain: '(.*)'\n\s+state\.state=(\d+)/gm)) {
    states.set(name!, STATES[Number(state)] ?? 'other');
  }
  return states;
}
