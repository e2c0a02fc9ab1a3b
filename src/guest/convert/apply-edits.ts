import { posix } from 'node:path';
import type { Appliance } from '../appliance.js';
import { bytesOf } from '../text.js';
import type { Edit } from '../tree.js';

/** Writes edits into a guest whose file systems are mounted in the appliance. */
export async function applyEdits(appliance: Appliance, edits: readonly Edit[]): Promise<void> {
  for (const { path, text, mode } of edits) {
    if (text === null) {
      await appliance.command(['rm-f', path]);
      continue;
    }
    const isNew = (await appliance.fileBytes(path)) === null;
    const missing = isNew ? await missingFolders(appliance, posix.dirname(path)) : [];
    if (missing.length > 0) await appliance.command(['mkdir-p', posix.dirname(path)]);
    await appliance.upload(path, bytesOf(text));
    if (!isNew) continue;
    await appliance.command(['chmod', `0${(mode ?? 0o644).toString(8)}`, path]);
    await appliance.command(['chown', '0', '0', path]);
    for (const made of [...missing, path]) await labelAs(appliance, posix.dirname(made), made);
  }
}

/** Of a folder and those that it lies in, the ones that are not there, outermost first. */
async function missingFolders(appliance: Appliance, folder: string): Promise<string[]> {
  const missing: string[] = [];
  for (let each = folder; each !== '/'; each = posix.dirname(each)) {
    if ((await appliance.maybe(['is-dir', each, 'followsymlinks:true']))?.trim() === 'true') break;
    missing.unshift(each);
  }
  return missing;
}

/** As SELinux itself would label a file that is made there (selinux(8)): without a label, a confined service cannot read it. */
async function labelAs(appliance: Appliance, folder: string, path: string): Promise<void> {
  const label = (await appliance.maybe(['getxattr', folder, 'security.selinux']))?.replace(/\0?\n?$/, '');
  if (label) await appliance.maybe(['setxattr', 'security.selinux', label, String(label.length), path]);
}
