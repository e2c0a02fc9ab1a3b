import { freeBytes } from '../../exec/files.js';
import type { AskedStorage, TargetFacts } from '../../model/target.js';
import { allDomains } from './all-domains.js';
import type { LibvirtConnection } from './connect.js';
import { firmwares } from './firmware.js';
import { LIMITS } from './limits.js';
import { filePools, storageDirectory } from './storage.js';
import type { TargetTools } from './target-domain.js';
import { parseXml } from '../xml.js';

/** What a libvirt site can give to VMs that come here. Nothing is changed by asking. */

export async function networks(at: LibvirtConnection, signal?: AbortSignal): Promise<TargetFacts['networks']> {
  const names = (await at.virsh.run(['net-list', '--all', '--name'], { signal }))
    .split('\n')
    .map((each) => each.trim());
  const found: TargetFacts['networks'] = [];
  const own = new Set<string>();
  const script = 'for d in /sys/class/net/*/bridge; do [ ! -d "$d" ] || basename "${d%/bridge}"; done';
  const listing = at.host.run('sh', ['-c', script], { signal });
  const dump = (name: string) => at.virsh.run(['net-dumpxml', `--network=${name}`], { signal });
  const wanted = names.filter(Boolean);
  const [listed, ...texts] = await Promise.all([listing, ...wanted.map(dump)]);
  for (const [index, name] of wanted.entries()) {
    const network = parseXml(texts[index]!, `the network ${name}`);
    const isolated = network.at('forward') === null;
    own.add(network.at('bridge')?.get('name') ?? '');
    found.push({ name, isolated, kind: 'network' });
  }
  const bridges = listed.stdout.split('\n').filter(Boolean);
  return [
    ...found,
    ...bridges.filter((name) => !own.has(name)).map((name) => ({ name, isolated: false, kind: 'bridge' as const })),
  ];
}

export async function targetFacts(
  { at, tryAccelerator }: Pick<TargetTools, 'at' | 'tryAccelerator'>,
  asked: readonly (string | null)[],
  signal?: AbortSignal,
): Promise<TargetFacts> {
  const [node, memory, tpm, firmware] = [
    await at.virsh.run(['nodeinfo'], { signal }),
    await at.host.run('cat', ['/proc/meminfo'], { signal }),
    await at.host.run('sh', ['-c', 'command -v swtpm && command -v swtpm_setup'], { signal, okExitCodes: [0, 1, 127] }),
    await firmwares(at.host, signal),
  ];
  const accelerator = await tryAccelerator(signal);
  const kib = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) ki?B`, 'im').exec(text)?.[1] ?? 0);
  return {
    networks: await networks(at, signal),
    storages: await storages(at, signal),
    askedStorages: await Promise.all([...new Set(asked)].map((each) => askedStorage(at, each, signal))),
    vms: await vms(at, signal),
    cpus: Number(/^CPU\(s\):\s+(\d+)/m.exec(node)?.[1] ?? 1),
    cpuModels: await cpuModels(at, accelerator, signal),
    memoryBytes: kib(node, 'Memory size') * 1024,
    freeMemoryBytes: kib(memory.stdout, 'MemAvailable') * 1024,
    firmware: {
      bios: true,
      uefi: firmware.some((each) => !each.secureBoot),
      secureBoot: firmware.some((each) => each.secureBoot),
    },
    tpm: tpm.exitCode === 0,
    accelerator,
    limits: LIMITS,
  };
}

async function storages(at: LibvirtConnection, signal?: AbortSignal): Promise<TargetFacts['storages']> {
  const pools = await filePools(at, signal);
  const own = at.config.storage;
  if (own.startsWith('/')) pools.unshift({ name: own, path: await storageDirectory(at, null, signal) });
  const found: TargetFacts['storages'] = [];
  for (const { name, path } of pools) {
    const free = await freeBytes(at.host, path, { signal }).catch(() => null);
    if (free !== null) found.push({ name, path, freeBytes: free });
  }
  return found;
}

/** Room at a storage that a request names, or why it cannot be used. */
export async function askedStorage(
  at: LibvirtConnection,
  asked: string | null,
  signal?: AbortSignal,
): Promise<AskedStorage> {
  const name = asked ?? at.config.storage;
  try {
    const path = await storageDirectory(at, asked, signal);
    return { asked, name, path, freeBytes: await freeBytes(at.host, path, { signal }) };
  } catch (error) {
    signal?.throwIfAborted();
    return { asked, name, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** As libvirt.org/formatdomaincaps.html lists those that a guest can have; null where it does not. */
async function cpuModels(
  at: LibvirtConnection,
  accelerator: TargetFacts['accelerator'],
  signal?: AbortSignal,
): Promise<string[] | null> {
  const type = accelerator === 'kvm' ? 'kvm' : 'qemu';
  const text = await at.virsh.runOr(/./, ['domcapabilities', `--virttype=${type}`], { signal });
  return text === null ? null : usableCpuModels(text);
}

export function usableCpuModels(domainCapabilities: string): string[] | null {
  const modes = parseXml(domainCapabilities, 'the domain capabilities').at('cpu')?.all('mode') ?? [];
  const custom = modes.find((each) => each.get('name') === 'custom' && each.get('supported') === 'yes');
  if (!custom) return null;
  const usable = custom.all('model').filter((each) => each.get('usable') !== 'no');
  return usable.flatMap((each) => each.text() || []);
}

async function vms(at: LibvirtConnection, signal?: AbortSignal): Promise<TargetFacts['vms']> {
  return (await allDomains(at, signal)).map(({ name, uuid, domain }) => {
    const nics = domain.at('devices')?.all('interface') ?? [];
    const macs = nics.flatMap((nic) => nic.at('mac')?.get('address')?.toLowerCase() ?? []);
    return { name, uuid, macs };
  });
}
