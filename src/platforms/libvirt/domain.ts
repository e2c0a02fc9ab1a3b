import type { VmDescription } from '../../model/vm.js';
import type { LibvirtConnection } from './connect.js';
import { describeDomain } from './describe.js';
import { diskIdOf, hardDisks, type DiskFacts } from './describe-disks.js';
import { imageInfo } from './image-info.js';
import { absentSides } from './side-files.js';
import { parseXml, type XmlElement } from '../xml.js';

/** A domain as its site has it. */

const NOT_PERSISTENT = /persistent|no domain config|transient/i;

export interface DomainXml {
  uuid: string;
  /** What runs, or null. */
  live: XmlElement | null;
  /** What starts next time; the live one for a transient domain. */
  definition: XmlElement;
  persistent: boolean;
}

/** @throws VmferryError `NotFound`, naming the VMs that exist. */
export async function readDomain(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<DomainXml> {
  const uuid = await at.virsh.uuid(vm, signal);
  const current = parseXml(await at.virsh.run(['dumpxml', '--domain', uuid], { signal }), `the definition of ${vm}`);
  if (current.get('id') === null) return { uuid, live: null, definition: current, persistent: true };
  const [text, info] = await Promise.all([
    at.virsh.runOr(NOT_PERSISTENT, ['dumpxml', '--inactive', '--domain', uuid], { signal }),
    at.virsh.run(['dominfo', '--domain', uuid], { signal }),
  ]);
  const persistent = /^Persistent:\s+yes/m.test(info);
  const definition = text === null ? current : parseXml(text, `the definition of ${vm}`);
  return { uuid, live: current, definition, persistent };
}

/** State beside the disks is named where there is some: a VM that was never started has none yet. */
export async function describe(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<VmDescription> {
  const domain = await readDomain(at, vm, signal);
  const { definition, live } = domain;
  const [disks, absent] = await Promise.all([
    diskFacts(at, domain, signal),
    absentSides(at, describeDomain({ definition, live, disks: new Map() }), signal),
  ]);
  const found = describeDomain({ definition, live, disks });
  return {
    ...found,
    nvramPath: absent.nvram === null ? found.nvramPath : null,
    tpm: found.tpm && absent.tpm !== null ? { ...found.tpm, statePath: null } : found.tpm,
  };
}

/** Path, sizes and image headers of every hard disk, by target device. */
export async function diskFacts(
  at: LibvirtConnection,
  domain: DomainXml,
  signal?: AbortSignal,
): Promise<Map<string, DiskFacts>> {
  const elements = hardDisks(domain.live ?? domain.definition);
  const [sizes, images] = await Promise.all([
    blockSizes(at, domain.uuid, elements.map(diskIdOf), signal),
    imagesOf(at, elements, signal),
  ]);
  const facts = images.map(({ id, path, image }): [string, DiskFacts] => {
    const size = sizes.get(id);
    const sizeBytes = size?.capacity ?? image?.sizeBytes ?? null;
    return [id, { path, image, sizeBytes, allocatedBytes: size?.allocation ?? image?.allocatedBytes ?? null }];
  });
  return new Map(facts);
}

async function imagesOf(at: LibvirtConnection, elements: readonly XmlElement[], signal?: AbortSignal) {
  const found: (Pick<DiskFacts, 'path' | 'image'> & { id: string })[] = [];
  for (const element of elements) {
    const path = await diskPath(at, element, signal);
    const format = element.at('driver')?.get('type') ?? 'raw';
    const readable = path !== null && path.startsWith('/') && format === 'qcow2';
    const image = readable ? await imageInfo(at.host, path, format, signal).catch(() => null) : null;
    found.push({ id: diskIdOf(element), path, image });
  }
  return found;
}

export async function diskPath(at: LibvirtConnection, disk: XmlElement, signal?: AbortSignal): Promise<string | null> {
  const source = disk.at('source');
  if (!source) return null;
  if (disk.get('type') === 'volume') {
    const [pool, volume] = [source.get('pool'), source.get('volume')];
    if (!pool || !volume) return null;
    const path = await at.virsh.runOr(/./, ['vol-path', `--pool=${pool}`, `--vol=${volume}`], { signal });
    return path?.trim() || null;
  }
  return source.get('file') ?? source.get('dev');
}

interface Sizes {
  capacity: number;
  allocation: number;
}

async function blockSizes(
  at: LibvirtConnection,
  uuid: string,
  ids: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Sizes>> {
  const all = await at.virsh.runOr(/./, ['domblkinfo', '--domain', uuid, '--all'], { signal });
  const found = new Map<string, Sizes>();
  for (const line of all?.split('\n') ?? []) {
    const match = /^\s*(\S+)\s+(\d+)\s+(\d+)\s+\d+\s*$/.exec(line);
    if (match) found.set(match[1]!, { capacity: Number(match[2]), allocation: Number(match[3]) });
  }
  if (all !== null) return found;
  // One unreadable disk fails the whole table.
  for (const id of ids) {
    const text = await at.virsh.runOr(/./, ['domblkinfo', '--domain', uuid, `--device=${id}`], { signal });
    const capacity = /^Capacity:\s+(\d+)/m.exec(text ?? '')?.[1];
    const allocation = /^Allocation:\s+(\d+)/m.exec(text ?? '')?.[1];
    if (capacity && allocation) found.set(id, { capacity: Number(capacity), allocation: Number(allocation) });
  }
  return found;
}
