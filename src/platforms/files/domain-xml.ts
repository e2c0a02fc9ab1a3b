import { blocking, type Finding } from '../../model/finding.js';
import type { VmDisk } from '../../model/vm.js';
import { describeDomain } from '../libvirt/describe.js';
import { MEMORY_UNITS } from '../libvirt/memory-bytes.js';
import { diskIdOf, hardDisks } from '../libvirt/describe-disks.js';
import { parseXml, type XmlElement } from '../xml.js';
import { compressionOfDisk } from './compression.js';
import { filesTwice, sameFile } from './foreign-findings.js';
import { hostile, listed, MAX_CPUS, MAX_MEMORY_BYTES, quoted, wholeNumber } from './foreign-values.js';
import { IMAGE_FORMATS, type ForeignDisk, type ForeignVm } from './foreign.js';

/**
 * libvirt's domain XML as `virsh dumpxml` writes it, beside the disks that it names. Their paths are those of the machine
 * where it ran: of each the last part counts, as a name in the same folder.
 */
export function parseDomainXml(text: string, what: string): ForeignVm | null {
  const domain = parseXml(text, what);
  if (domain.name !== 'domain') return null;
  assertPossible(domain, what);
  const vm = describeDomain({ definition: domain, live: null, disks: new Map() });
  const elements = new Map(hardDisks(domain).map((each) => [diskIdOf(each), each]));
  const disks = vm.disks.map(({ id }) => diskOf(id, elements.get(id)!));
  return {
    vm: {
      ...vm,
      disks: vm.disks.map((disk, index) => ({ ...disk, path: disks[index]!.reference })),
      // Sizes are read from the images.
      findings: [
        ...vm.findings.filter((each) => each.id !== 'disk.unreadable'),
        ...sameNames(vm.disks, disks, elements),
      ],
    },
    disks,
  };
}

/** Disks that were one file where the machine ran, and such as only have the same name now that their directories do not count. */
function sameNames(
  described: readonly VmDisk[],
  disks: readonly ForeignDisk[],
  elements: ReadonlyMap<string, XmlElement>,
): Finding[] {
  const sources = described.map(({ id }) => {
    const source = elements.get(id)!.at('source');
    const pool = source?.get('pool') ?? '';
    return { id, path: sourceOf(elements.get(id)!) && `${pool}:${sourceOf(elements.get(id)!)}` };
  });
  const named = disks.map(({ id, reference }) => ({ id, path: reference }));
  const twice = sameFile(sources);
  return [...filesTwice(twice), ...namesTwice(sameFile(named).filter((group) => !twice.includes(group)))];
}

function namesTwice(groups: readonly string[]): Finding[] {
  if (groups.length === 0) return [];
  return [
    {
      id: 'disk.same-name',
      ...blocking(
        `Disks that were different files have the same name (${listed(groups)}), and beside the XML there can only be one of it: each would get that.`,
        'Give each file a name of its own, and write it in the XML.',
      ),
    },
  ];
}

/** What libvirt itself would never have written, and its own descriptions are trusted in. */
function assertPossible(domain: XmlElement, what: string): void {
  const cpus = domain.at('vcpu');
  const topology = domain.at('cpu/topology');
  const counts = [
    ['vcpu', cpus?.text()],
    ['current', cpus?.get('current')],
    ...['sockets', 'dies', 'clusters', 'cores', 'threads'].map((name) => [name, topology?.get(name)] as const),
  ] as const;
  for (const [name, said] of counts) if (said != null) wholeNumber(said, name, what, 1, MAX_CPUS);
  const memory = domain.at('memory');
  const unit = memory?.get('unit') ?? 'KiB';
  if (!Object.hasOwn(MEMORY_UNITS, unit)) throw hostile(what, `its memory is in the unknown unit ${quoted(unit)}`);
  wholeNumber(memory?.text() ?? '', 'memory', what, 1, Math.floor(MAX_MEMORY_BYTES / MEMORY_UNITS[unit]!));
  const ids = hardDisks(domain).map(diskIdOf);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw hostile(what, `it has two disks called ${quoted(twice)}`);
}

function sourceOf(element: XmlElement): string | null {
  const source = element.at('source');
  return source?.get('file') ?? source?.get('volume') ?? source?.get('dev') ?? source?.get('name') ?? null;
}

function diskOf(id: string, element: XmlElement): ForeignDisk {
  const declared = element.at('driver')?.get('type') ?? 'raw';
  const reference = sourceOf(element)?.split('/').at(-1) || null;
  return {
    id,
    reference,
    format: IMAGE_FORMATS.find((format) => format === declared) ?? null,
    compression: compressionOfDisk(reference ?? ''),
    fileBytes: null,
    chunkBytes: null,
  };
}
