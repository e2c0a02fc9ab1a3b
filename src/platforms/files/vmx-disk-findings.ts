import { blocking, info, ofDisk, type Finding } from '../../model/finding.js';
import { outsideSnapshots, rawDevice, removableMedium, shareable, transient } from './foreign-findings.js';
import { quoted } from './foreign-values.js';
import type { VmxDictionary } from './vmx-dictionary.js';
import { isRawDevice, removableNodes, type VmxDisk } from './vmx-disks.js';

/** What a .vmx says of drives that their copies will not have. */

type NamedDisk = VmxDisk & { id: string };

export function diskFindings(vmx: VmxDictionary, disks: readonly NamedDisk[]): Finding[] {
  return [
    ...disks.flatMap((disk) => ofDisk(disk.id, findingsOf(vmx, disk))),
    ...sharedDisks(vmx, disks),
    ...media(vmx),
  ];
}

function findingsOf(vmx: VmxDictionary, { id, node, reference }: NamedDisk): Finding[] {
  const mode = vmx.raw(`${node}.mode`).toLowerCase();
  const redo = vmx.raw(`${node}.redo`);
  const findings: Finding[] = [];
  if (isRawDevice(vmx, node)) findings.push(rawDevice(id, vmx.raw(`${node}.deviceType`) || quoted(reference)));
  if (mode.endsWith('nonpersistent') || mode === 'undoable' || mode === 'append') findings.push(transient(id, mode));
  if (mode === 'independent-persistent') findings.push(outsideSnapshots(id, mode));
  if (redo !== '') findings.push(redoLog(id, redo));
  if (/-\d{6}\.vmdk$/i.test(reference)) findings.push(snapshotLayer(id, reference));
  return findings;
}

/** A disk of its own (`sharing`), or all of a controller whose bus is shared. */
function sharedDisks(vmx: VmxDictionary, disks: readonly NamedDisk[]): Finding[] {
  const own = disks.filter(
    ({ node }) => vmx.raw(`${node}.sharing`).toLowerCase() === 'multi-writer' || vmx.flag(`${node}.shared`),
  );
  const onBus = disks.filter(({ controller, node }) =>
    [controller, node].some((each) => !['', 'none'].includes(vmx.raw(`${each}.sharedBus`).toLowerCase())),
  );
  return [
    ...(own.length > 0 ? [shareable(idsOf(own), 'sharing')] : []),
    ...(onBus.length > 0 ? [shareable(idsOf(onBus), 'a shared SCSI bus')] : []),
  ];
}

function idsOf(disks: readonly NamedDisk[]): string[] {
  return disks.map(({ id }) => id);
}

/** A file is in the drive, and it is one that the machine has from its start on. */
function media(vmx: VmxDictionary): Finding[] {
  const inserted = removableNodes(vmx).filter((node) => {
    const image =
      vmx.raw(`${node}.deviceType`).toLowerCase() === 'cdrom-image' || vmx.raw(`${node}.fileType`) === 'file';
    const named = !['', 'auto detect', 'emptybackingstring'].includes(vmx.raw(`${node}.fileName`).toLowerCase());
    return vmx.flag(`${node}.startConnected`, true) && named && (image || node.startsWith('floppy'));
  });
  return inserted.length > 0 ? [removableMedium()] : [];
}

function redoLog(id: string, redo: string): Finding {
  return {
    id: 'disk.redo-log',
    ...blocking(
      `The latest changes of disk ${id} are in a redo log (${quoted(redo)}), which its file does not have.`,
      'Start the VM and shut it down in order, so that VMware commits them or throws them away.',
    ),
  };
}

function snapshotLayer(id: string, reference: string): Finding {
  return {
    id: 'disk.snapshot-layer',
    ...info(
      `Disk ${id} (${quoted(reference)}) is the newest of several layers that snapshots made; they are copied as one disk.`,
      'Keep the files of all layers together. Deleting the snapshots at the source makes reading faster.',
    ),
  };
}
