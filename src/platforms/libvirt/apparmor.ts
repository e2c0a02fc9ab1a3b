import { readText } from '../../exec/files.js';
import type { LibvirtConnection } from './connect.js';
import { parseXml } from '../xml.js';

/**
 * Where libvirt confines QEMU with AppArmor, its helper writes a profile for each VM from the VM's definition alone. The
 * socket and the scratch files of a backup job stand in no definition, so an operator has to allow them.
 */

/** Read by /etc/apparmor.d/abstractions/libvirt-qemu, which is part of every VM's profile. */
const LOCAL = '/etc/apparmor.d/local/abstractions/libvirt-qemu';

/** Whether the site confines its VMs with AppArmor, as libvirt itself tells (libvirt.org/formatcaps.html). */
async function confined(at: LibvirtConnection, signal?: AbortSignal): Promise<boolean> {
  const text = await at.virsh.run(['capabilities'], { signal });
  const models = parseXml(text, 'the capabilities').at('host')?.all('secmodel') ?? [];
  return models.some((each) => each.text('model') === 'apparmor');
}

/** The line that a profile needs for backup jobs with this scratch folder. */
export function backupRule(scratchDir: string): string {
  return `"${scratchDir.replace(/\/+$/, '')}/vmferry-*/*" rwk,`;
}

export interface ApparmorState {
  confined: boolean;
  /** Whether the profile allows what backup jobs need in this site's scratchDir; true where nothing is confined. */
  backupsAllowed: boolean;
  /** What to do about it; null where nothing has to be done. */
  remedy: string | null;
}

export async function apparmorState(at: LibvirtConnection, signal?: AbortSignal): Promise<ApparmorState> {
  if (!(await confined(at, signal))) return { confined: false, backupsAllowed: true, remedy: null };
  const rule = backupRule(at.config.scratchDir);
  const local = (await readText(at.host, LOCAL, { signal })) ?? '';
  // A comment may hold anything; a rule of an operator's own making may be wider than ours.
  const lines = local.split('\n').filter((line) => !line.trim().startsWith('#'));
  const folder = at.config.scratchDir.replace(/\/+$/, '');
  const backupsAllowed = lines.some((line) => line.includes(`${folder}/`) && /[ \t]r?w[a-z]*,/.test(line));
  const remedy = `Add the line  ${rule}  to ${LOCAL}, then: systemctl reload apparmor. It counts for VMs from their next start.`;
  return { confined: true, backupsAllowed, remedy: backupsAllowed ? null : remedy };
}
