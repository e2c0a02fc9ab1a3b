import { describeDomain } from '../libvirt/describe.js';
import { diskIdOf, hardDisks } from '../libvirt/describe-disks.js';
import { parseXml, type XmlElement } from '../xml.js';
import { IMAGE_FORMATS, type ForeignDisk, type ForeignVm } from './foreign.js';

/**
 * libvirt's domain XML as `virsh dumpxml` writes it, beside the disks that it names. Their paths are those of the machine
 * where it ran: of each the last part counts, as a name in the same folder.
 */
export function parseDomainXml(text: string, what: string): ForeignVm | null {
  const domain = parseXml(text, what);
  if (domain.name !== 'domain') return null;
  const vm = describeDomain({ definition: domain, live: null, disks: new Map() });
  const elements = new Map(hardDisks(domain).map((each) => [diskIdOf(each), each]));
  const disks = vm.disks.map(({ id }) => diskOf(id, elements.get(id)!));
  return {
    vm: {
      ...vm,
      disks: vm.disks.map((disk, index) => ({ ...disk, path: disks[index]!.reference })),
      // Sizes are read from the images.
      findings: vm.findings.filter((each) => each.id !== 'disk.unreadable'),
    },
    disks,
  };
}

function diskOf(id: string, element: XmlElement): ForeignDisk {
  const source = element.at('source');
  const named = source?.get('file') ?? source?.get('volume') ?? source?.get('dev') ?? source?.get('name') ?? null;
  const declared = element.at('driver')?.get('type') ?? 'raw';
  return {
    id,
    reference: named?.split('/').at(-1) || null,
    format: IMAGE_FORMATS.find((format) => format === declared) ?? null,
    compression: null,
    fileBytes: null,
    chunkBytes: null,
  };
}
