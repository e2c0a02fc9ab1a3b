import type { LibvirtConnection } from './connect.js';
import { describedFindings, diskIdOf, hardDisks, type DiskFacts } from './describe-disks.js';
import { diskFacts, type DomainXml } from './domain.js';
import type { LibvirtFinding } from './finding-kinds.js';
import { openForWriting } from '../open-for-writing.js';
import type { XmlElement } from '../xml.js';

/** What stands in the way of copying the disks of a domain, or should be known before. */
export async function diskFindings(
  at: LibvirtConnection,
  domain: DomainXml,
  disks: readonly string[],
  signal?: AbortSignal,
): Promise<LibvirtFinding[]> {
  const facts = await diskFacts(at, domain, signal);
  const copied = hardDisks(domain.live ?? domain.definition).filter((each) => disks.includes(diskIdOf(each)));
  return [
    ...copied.flatMap((element) => {
      const known = facts.get(diskIdOf(element));
      return [...describedFindings(element, known), ...findingsOf(element, known)];
    }),
    ...(domain.live ? [] : await lockedFindings(at, copied, facts, signal)),
  ];
}

type Add = (id: LibvirtFinding['id'], severity: LibvirtFinding['severity'], message: string, remedy: string) => void;

const LEAVE = 'Or leave it behind with excludeDisks.';

function findingsOf(element: XmlElement, known: DiskFacts | undefined): LibvirtFinding[] {
  const disk = diskIdOf(element);
  const findings: LibvirtFinding[] = [];
  const add: Add = (id, severity, message, remedy) =>
    findings.push({ id, severity, message: `Disk ${disk}: ${message}`, remedy });
  asAttached(element, add);
  asImage(element, known, add);
  return findings;
}

function asAttached(element: XmlElement, add: Add): void {
  if (element.at('shareable')) {
    add(
      'disk.shareable',
      'blocking',
      'other VMs may write to it at the same time.',
      `Move them together by hand. ${LEAVE}`,
    );
  }
  if (element.at('transient')) add('disk.transient', 'blocking', 'what the guest writes is thrown away.', LEAVE);
  if (element.at('readonly')) {
    add(
      'disk.readonly',
      'warning',
      'it is read-only here; at the target it can be written.',
      'Protect it in the guest.',
    );
  }
  if (element.get('device') === 'lun') {
    add('disk.lun-passthrough', 'blocking', 'SCSI commands go straight to a device of the host.', LEAVE);
  }
  const type = element.get('type') ?? 'file';
  if (!['file', 'block', 'volume'].includes(type)) {
    add('disk.network', 'blocking', `it lies on "${type}" storage, which cannot be read here.`, LEAVE);
  }
  const job = element.at('mirror')?.get('job');
  if (job !== undefined) {
    add(
      'disk.block-job',
      'blocking',
      `a job (${job ?? 'copy'}) copies or merges it, beside which no backup job begins.`,
      `Let it end or abort it: \`virsh blockjob VM ${diskIdOf(element)}\` shows it.`,
    );
  }
}

function asImage(element: XmlElement, known: DiskFacts | undefined, add: Add): void {
  const format = formatOf(element);
  const image = known?.image;
  if (format !== 'qcow2' && format !== 'raw') {
    add('disk.format', 'blocking', `its format "${format}" cannot be read here.`, `Convert it to qcow2. ${LEAVE}`);
  }
  if (image?.encrypted || element.at('encryption') || element.at('source/encryption')) {
    add('disk.encrypted', 'blocking', 'it is encrypted with a secret of the host.', `Decrypt it. ${LEAVE}`);
  }
  if (image?.backingFile) {
    add('disk.backing-chain', 'info', `it stands on ${image.backingFile}; at the target it is one image.`, 'Nothing.');
  }
  if (image && image.snapshots.length > 0) {
    add(
      'disk.internal-snapshots',
      'warning',
      `its ${image.snapshots.length} internal snapshot(s) stay behind, untouched.`,
      'Delete them, or keep the source for as long as they matter.',
    );
  }
}

/** While the VM runs, its own QEMU has them open. */
async function lockedFindings(
  at: LibvirtConnection,
  copied: readonly XmlElement[],
  facts: ReadonlyMap<string, DiskFacts>,
  signal?: AbortSignal,
): Promise<LibvirtFinding[]> {
  const images = copied.flatMap((element) => {
    const disk = diskIdOf(element);
    const path = facts.get(disk)?.path;
    const format = formatOf(element);
    return path?.startsWith('/') && (format === 'qcow2' || format === 'raw') ? [{ disk, path, format }] : [];
  });
  const writers = await openForWriting(at.host, images, signal);
  return images.flatMap(({ disk, path }, index): LibvirtFinding[] => {
    const writer = writers[index];
    if (!writer) return [];
    return [
      {
        id: 'disk.locked',
        severity: 'blocking',
        message: `Disk ${disk}: the VM is off, and ${writer} has ${path} open for writing; a copy would be torn.`,
        remedy: `See what it is, and end it or let it end. ${LEAVE}`,
      },
    ];
  });
}

function formatOf(element: XmlElement): string {
  return element.at('driver')?.get('type') ?? 'raw';
}
