import type { PointFiles } from './point-files.js';
import { diskIdOf } from './describe-disks.js';
import { xml, type XmlElement } from '../xml.js';

/** XML of a backup job and its checkpoint (libvirt.org/formatbackup.html, formatcheckpoint.html). */

export interface LiveDisk {
  id: string;
  /** Whether the checkpoint gets a bitmap on this disk. */
  tracked: boolean;
  /** Whether the job tells what changed on it; needs a bitmap from `since`. */
  incremental: boolean;
}

/** Name under which a disk's dirty bitmap is exported. */
export function bitmapName(disk: string): string {
  return `changed-${disk}`;
}

/** One job for all disks, so that they are as of one instant. `all` names every disk of the VM: those not wanted are left out. */
export function backupXml(
  files: PointFiles,
  all: readonly XmlElement[],
  disks: readonly LiveDisk[],
  since: string | null,
): string {
  const wanted = new Map(disks.map((disk) => [disk.id, disk]));
  const elements = all.map((element) => {
    const id = diskIdOf(element);
    const disk = wanted.get(id);
    if (!disk) return xml('disk', { name: id, backup: 'no' });
    const incremental = disk.incremental && since !== null;
    return xml(
      'disk',
      {
        name: id,
        backup: 'yes',
        type: 'file',
        backupmode: incremental ? 'incremental' : 'full',
        incremental: incremental ? since : null,
        exportname: id,
        exportbitmap: incremental ? bitmapName(id) : null,
      },
      xml('driver', { type: 'qcow2' }),
      xml('scratch', { file: files.scratch(id) }),
    );
  });
  return xml(
    'domainbackup',
    { mode: 'pull' },
    xml('server', { transport: 'unix', socket: files.socket }),
    xml('disks', {}, ...elements),
  ).toString();
}

export function checkpointXml(
  name: string,
  all: readonly XmlElement[],
  tracked: ReadonlySet<string>,
  more: readonly XmlElement[] = [],
): string {
  const elements = all.map((element) => {
    const id = diskIdOf(element);
    return tracked.has(id)
      ? xml('disk', { name: id, checkpoint: 'bitmap', bitmap: name })
      : xml('disk', { name: id, checkpoint: 'no' });
  });
  const description = xml('description', {}, 'Made by vmferry; removed when its migration ends.');
  return xml(
    'domaincheckpoint',
    {},
    xml('name', {}, name),
    description,
    ...more,
    xml('disks', {}, ...elements),
  ).toString();
}
