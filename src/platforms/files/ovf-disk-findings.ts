import { blocking, info, warning, type Finding } from '../../model/finding.js';
import type { ImageFormat } from './foreign.js';
import type { Attachment } from './ovf-attachment.js';
import { isTrue, type OvfReference } from './ovf-envelope.js';
import type { OvfNode } from './ovf-node.js';
import { listed, quoted } from './foreign-values.js';

/** What should be known of a disk before it is moved. */

export function diskFindings(
  id: string,
  disk: OvfNode | null,
  file: OvfReference | null,
  format: ImageFormat | null,
): Finding[] {
  if (!disk) return [];
  return [
    ...(file && format === null ? [unknownFormat(id, disk.get('format'))] : []),
    ...(disk.get('parentRef') === null ? [] : [delta(id)]),
    ...(isTrue(disk.get('shareable')) || disk.name === 'SharedDisk' ? [shareable([id])] : []),
    ...(disk.get('lun_id') === null ? [] : [rawDevice(id)]),
    ...(isTrue(disk.get('read-only')) ? [readOnly(id)] : []),
  ];
}

function unknownFormat(id: string, uri: string | null): Finding {
  const said = uri === null ? 'is not said' : `(${quoted(uri)}) is not known`;
  return {
    id: 'disk.format-unknown',
    ...warning(
      `The format of disk ${id} ${said}; its file has to tell.`,
      'See that the size and format that are found are right.',
    ),
  };
}

function delta(id: string): Finding {
  return {
    id: 'disk.delta',
    ...blocking(
      `Disk ${id} holds only what differs from another disk (ovf:parentRef), which is not put together here.`,
      'Merge the snapshots at the source and export again.',
    ),
  };
}

export function shareable(ids: readonly string[]): Finding {
  return {
    id: 'disk.shareable',
    ...blocking(
      `Disk(s) ${listed(ids)} can be written by more than one machine.`,
      'Shut the others down and give each its own disk, or waive this finding when only this one writes.',
    ),
  };
}

function rawDevice(id: string): Finding {
  return {
    id: 'disk.raw-device',
    ...blocking(
      `Disk ${id} is no file but a device of its host (a LUN).`,
      'Convert it into an image at the source, or leave it behind with excludeDisks.',
    ),
  };
}

function readOnly(id: string): Finding {
  return {
    id: 'disk.readonly',
    ...warning(`Disk ${id} is read-only; at the target it can be written.`, 'Mount it read-only in the guest.'),
  };
}

/** It would be made empty, which is no copy. */
export function noImage(id: string, label: string, held: Attachment): Finding {
  const why = {
    none: 'names nothing that it holds',
    missing: `names ${held.kind === 'missing' ? quoted(held.name) : ''}, which the descriptor lacks`,
    disk: 'names a file that the descriptor does not list',
    file: '',
  }[held.kind];
  return {
    id: 'disk.no-file',
    ...blocking(
      `Disk ${id} (${quoted(label)}) ${why}.`,
      'Export the machine again, or leave the disk behind with excludeDisks.',
    ),
  };
}

export function noController(labels: readonly string[]): Finding {
  return {
    id: 'disk.no-controller',
    ...warning(
      `No controller is said for the disk(s) ${listed(labels)}; they become SATA disks.`,
      'Make sure that the guest finds its disks by UUID or label, and has a driver for SATA (AHCI).',
    ),
  };
}

export function removableMedium(): Finding {
  return {
    id: 'removable.medium',
    ...info(
      'A CD or floppy is inserted; the drive is carried over, the medium is not.',
      'Insert it at the target by hand if the guest needs it.',
    ),
  };
}
