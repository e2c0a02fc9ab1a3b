import type { OvfEnvelope, OvfReference } from './ovf-envelope.js';
import type { OvfItem } from './ovf-items.js';
import type { OvfNode } from './ovf-node.js';

/** What a drive's item says it holds (DSP0243, "HostResource"): a disk of the envelope, or a file as it is. */
export type Attachment =
  | { kind: 'disk'; id: string; disk: OvfNode }
  | { kind: 'file'; file: OvfReference }
  /** It names something that is not there. */
  | { kind: 'missing'; name: string }
  | { kind: 'none' };

export function attachmentOf(item: OvfItem, envelope: OvfEnvelope): Attachment {
  const resource = item.hostResource;
  if (resource === null) {
    // XenServer names no resource: the item has the number of its disk.
    const disk = item.kind === 'disk' ? envelope.disks.get(item.id) : undefined;
    return disk ? { kind: 'disk', id: item.id, disk } : { kind: 'none' };
  }
  const [, kind, name] = /^(?:ovf:)?\/{0,3}(disk|file)\/(.+)$/.exec(resource) ?? [];
  if (kind === 'file') {
    const file = envelope.files.get(name ?? '');
    return file ? { kind: 'file', file } : { kind: 'missing', name: resource };
  }
  const id = name ?? oldStyle(resource, envelope);
  const disk = envelope.disks.get(id);
  return disk ? { kind: 'disk', id, disk } : { kind: 'missing', name: resource };
}

/**
 * oVirt: `imageGroup/imageId`, of which the second is the disk's; others: the bare id, or what virt-v2v writes for oVirt's
 * API (`-o vdsm`), the id of the disk's file.
 */
function oldStyle(resource: string, { disks }: OvfEnvelope): string {
  const last = resource.split('/').at(-1) ?? '';
  const byFile = [...disks].find(([, disk]) => disk.get('fileRef') === resource)?.[0];
  return [resource, last].find((id) => disks.has(id)) ?? byFile ?? last;
}

/** The file that holds a disk; null where it has none; undefined where the envelope lacks it. */
export function fileOf(disk: OvfNode, envelope: OvfEnvelope): OvfReference | null | undefined {
  const name = disk.get('fileRef');
  return name === null ? null : envelope.files.get(name);
}
