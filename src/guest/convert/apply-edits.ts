import { posix } from 'node:path';
import type { Appliance } from '../appliance.js';
import type { Edit } from '../tree.js';

/** Writes edits into a guest whose file systems are mounted in the appliance. */
export async function applyEdits(appliance: Appliance, edits: readonly Edit[]): Promise<void> {
  for (const { path, text, mode } of edits) {
    if (text === null) {
      await appliance.command(['rm-f', path]);
      continue;
    }
    const folder = posix.dirname(path);
    const isNew = (await appliance.fileBytes(path)) === null;
    if (isNew) await appliance.command(['mkdir-p', folder]);
    await appliance.upload(path, Buffer.from(text, 'utf8'));
    if (!isNew) continue;
    await appliance.command(['chmod', `0${(mode ?? 0o644).toString(8)}`, path]);
    await appliance.command(['chown', '0', '0', path]);
    await labelAs(appliance, folder, path);
  }
}

/** As SELinux itself would label a file that is made there (selinux(8)): without a label, a confined service cannot read it. */
async function labelAs(appliance: Appliance, folder: string, path: string): Promise<void> {
  const label = (await appliance.maybe(['getxattr', folder, 'security.selinux']))?.replace(/\0?\n?$/, '');
  if (label) await appliance.maybe(['setxattr', 'security.selinux', label, String(label.length), path]);
}
