import type { PowerState, VmSummary } from '../../model/vm.js';
import type { LibvirtConnection } from './connect.js';
import { hardDisks } from './describe-disks.js';
import { memoryBytes } from './describe.js';
import { parseXml } from './xml.js';

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
/** How many definitions one call of virsh reads. */
const CHUNK = 50;

export async function inventory(at: LibvirtConnection, signal?: AbortSignal): Promise<VmSummary[]> {
  const names = await at.virsh.names(signal);
  const states = await powerStates(at, signal);
  const uuids = [...names.values()];
  const summaries: VmSummary[] = [];
  for (let first = 0; first < uuids.length; first += CHUNK) {
    for (const text of await definitions(at, uuids.slice(first, first + CHUNK), signal)) {
      const domain = parseXml(text, 'a definition');
      const name = domain.text('name') ?? '';
      summaries.push({
        name,
        uuid: domain.text('uuid') ?? '',
        state: states.get(name) ?? 'other',
        memoryBytes: memoryBytes(domain.at('memory')),
        cpus: Number(domain.at('vcpu')?.get('current') ?? domain.text('vcpu') ?? 1),
        disks: hardDisks(domain).length,
      });
    }
  }
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

/** Definitions by UUID; those of VMs that have gone meanwhile are left out. */
async function definitions(at: LibvirtConnection, uuids: string[], signal?: AbortSignal): Promise<string[]> {
  if (uuids.length === 0) return [];
  // Only UUIDs as virsh printed them stand in this command string.
  const text = await at.virsh.runOr(/./, [uuids.map((uuid) => `dumpxml ${uuid}`).join(';')], { signal });
  if (text !== null) return text.split(/(?<=<\/domain>\n)/).filter((each) => each.trim() !== '');
  if (uuids.length === 1) return [];
  const each = await Promise.all(uuids.map((uuid) => definitions(at, [uuid], signal)));
  return each.flat();
}
