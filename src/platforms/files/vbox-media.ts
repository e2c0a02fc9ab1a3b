import { blocking, warning, type Finding } from '../../model/finding.js';
import type { ImageFormat } from './foreign.js';
import { outsideSnapshots, shareable, transient } from './foreign-findings.js';
import { quoted } from './foreign-values.js';

/** An image of VirtualBox's media registry. */
export interface Medium {
  location: string;
  /** As VirtualBox calls it, such as "VDI". */
  format: string;
  /** TMediumType of the image that it goes back to: "Normal", "Immutable", "Writethrough", "Shareable", … */
  type: string;
  /** Location of the one that it only holds the changes to. */
  parent: string | null;
  encrypted: boolean;
}

export function diskFindings(id: string, medium: Medium, format: ImageFormat | null): Finding[] {
  const findings: Finding[] = [];
  const stops = (name: string, message: string, remedy: string) =>
    findings.push({
      id: `disk.${name}`,
      ...blocking(`Disk ${id}: ${message}`, `${remedy} Or leave it behind with excludeDisks.`),
    });
  if (medium.parent !== null) {
    stops(
      'differencing',
      `its image (${quoted(medium.location)}) holds only the changes since a snapshot, and cannot be read without VirtualBox.`,
      'Delete the snapshots, which merges them, or clone the VM (`VBoxManage clonevm VM --mode machine`).',
    );
  }
  if (medium.encrypted) {
    stops('encrypted', 'it is encrypted.', 'Remove the encryption (`VBoxManage encryptmedium`).');
  }
  if (format === null) {
    stops(
      'format',
      `its format ${quoted(medium.format)} cannot be read here.`,
      'Convert it with `VBoxManage clonemedium`.',
    );
  }
  if (medium.type === 'Shareable') findings.push(shareable([id], 'Shareable'));
  if (medium.type === 'Immutable' || medium.type === 'MultiAttach') findings.push(transient(id, medium.type));
  if (medium.type === 'Writethrough') findings.push(outsideSnapshots(id, medium.type));
  if (medium.type === 'Readonly') {
    findings.push({
      id: 'disk.readonly',
      ...warning(`Disk ${id}: it is read-only here; at the target it can be written.`, 'Protect it in the guest.'),
    });
  }
  return findings;
}
