import type { Finding } from '../model/finding.js';
import {
  bootFiles,
  changeArguments,
  DEVICE_ARGUMENT,
  environmentArguments,
  otherDevices,
  type BootArguments,
} from './boot-arguments.js';
import { BusNames, isBusName, isRemovable, type GuestDevice } from './bus-names.js';
import { ConfigFiles, replaceAll, shown, type Replacement } from './config-files.js';
import { changeMountUnits } from './mount-units.js';
import { shellAssignments } from './shell-assignments.js';
import type { Edit, GuestTree } from './tree.js';

export type { GuestDevice } from './bus-names.js';

/**
 * Names disks by UUID wherever the guest's boot names them by their bus: fstab(5), crypttab(5), systemd.mount(5), the
 * kernel's `root=` and `resume=`, and initramfs-tools' `RESUME`. All else stays byte for byte. Run on its own result, it changes nothing.
 */
export async function uuidFstab(
  tree: GuestTree,
  devices: readonly GuestDevice[],
): Promise<{ edits: Edit[]; findings: Finding[] }> {
  const files = new ConfigFiles(tree);
  const names = new BusNames(files, devices);
  await changeLines(files, '/etc/fstab', (fields) => fstabLine(files, names, fields));
  await changeLines(files, '/etc/crypttab', (fields) => crypttabLine(names, fields));
  await changeMountUnits(files, names);
  await changeResume(files, names);
  await changeBoot(files, names);
  await noteDeviceMap(files);
  await noteLilo(files);
  return { edits: files.edits(), findings: files.findings };
}

interface Field {
  /** With octal escapes resolved. */
  value: string;
  start: number;
  end: number;
}

/** Changes one field a line at most. Comments and blank lines are passed over. */
async function changeLines(
  files: ConfigFiles,
  path: string,
  change: (fields: Field[]) => Replacement | null,
): Promise<void> {
  const text = await files.read(path);
  if (text === null) return;
  const replacements: Replacement[] = [];
  let start = 0;
  for (const line of text.split('\n')) {
    const fields = line.trimStart().startsWith('#') ? [] : fieldsOf(line, start);
    const replacement = fields.length > 1 ? change(fields) : null;
    if (replacement) replacements.push(replacement);
    start += line.length + 1;
  }
  await files.write(path, replaceAll(text, replacements));
}

/** Of a line of fstab(5) or crypttab(5). */
export function fieldsOf(line: string, start: number): Field[] {
  return [...line.matchAll(/[^ \t\r]+/g)].map((match) => ({
    // getmntent(3): blanks and backslashes in a field are written in octal.
    value: match[0].replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    start: start + match.index,
    end: start + match.index + match[0].length,
  }));
}

function fstabLine(files: ConfigFiles, names: BusNames, fields: Field[]): Replacement | null {
  const [device, target, type, options] = fields;
  if (!device) return null;
  const flags = (options?.value ?? '').split(',');
  if (isRemovable(device.value, type?.value)) {
    if (!flags.includes('nofail') && !flags.includes('noauto')) {
      files.note({
        id: 'guest.fstab-removable',
        severity: 'info',
        message: `/etc/fstab mounts the removable drive ${shown(device.value)} at ${shown(target?.value ?? '')} at each boot.`,
        remedy: 'Add `nofail` to its options, lest the guest waits for a drive that the target may not have.',
      });
    }
    return null;
  }
  // Journals and further devices: xfs(5) logdev, ext4(5) journal_path, btrfs(5) device.
  for (const flag of flags) {
    const inner = flag.slice(flag.indexOf('=') + 1);
    if (isBusName(inner)) names.note(inner, '/etc/fstab', 'among the options of a mount', null);
  }
  return replacement(device, names.stable(device.value, '/etc/fstab'));
}

function crypttabLine(names: BusNames, fields: Field[]): Replacement | null {
  const [, device, key, options] = fields;
  if (!device) return null;
  for (const part of [...(key?.value ?? '').split(':'), ...(options?.value ?? '').split(/[,=]/)]) {
    if (isBusName(part)) names.note(part, '/etc/crypttab', 'for a key or a header', null);
  }
  // Made anew at each boot with a random key: such a device has no UUID that stays, whatever was found on it.
  if (/^\/dev\/u?random$|^\/dev\/hw_random$/.test(key?.value ?? '')) {
    if (isBusName(device.value)) names.note(device.value, '/etc/crypttab', 'encrypted with a key of one boot', null);
    return null;
  }
  return replacement(device, names.stable(device.value, '/etc/crypttab'));
}

function replacement({ start, end }: Field, by: string | null): Replacement | null {
  return by === null ? null : { start, end, by };
}

/** initramfs-tools(7), "Resume". The copy in the initramfs stays until it is made anew; a guest that boots does not resume. */
async function changeResume(files: ConfigFiles, names: BusNames): Promise<void> {
  const path = '/etc/initramfs-tools/conf.d/resume';
  const text = await files.read(path);
  if (text === null) return;
  const replacements = shellAssignments(text).flatMap(({ key, value, start, end }) => {
    const by = key === 'RESUME' ? names.stable(value, path) : null;
    return by === null ? [] : [{ start, end, by: text.slice(start, end).replace(value, by) }];
  });
  await files.write(path, replaceAll(text, replacements));
}

async function changeBoot(files: ConfigFiles, names: BusNames): Promise<void> {
  for (const file of await bootFiles(files)) {
    await changeArguments(files, file, (each) => withUuids(files, names, each));
  }
  const environment = await environmentArguments(files);
  for (const [, , device = ''] of (environment?.value ?? '').matchAll(DEVICE_ARGUMENT)) {
    if (environment && isBusName(device)) names.note(device, environment.path, 'in `kernelopts`', null);
  }
}

function withUuids(files: ConfigFiles, names: BusNames, { path, raw, initramfs }: BootArguments): string {
  for (const device of otherDevices(raw)) {
    if (isBusName(device)) names.note(device, path, 'in an argument of the kernel beside root= and resume=', null);
  }
  return raw.replace(DEVICE_ARGUMENT, (whole, key: string, device: string) => {
    if (isBusName(device) && !initramfs) {
      const message = `${shown(path)} starts a kernel without an initramfs from ${shown(device)}; the kernel alone finds no UUID.`;
      const remedy = 'Name the root by PARTUUID in the guest, or keep the disk on the same kind of bus.';
      files.note({ id: 'guest.boot-root', severity: 'warning', message, remedy });
      return whole;
    }
    const by = names.stable(device, path);
    return by === null ? whole : key + by;
  });
}

/** grub-install(8) reads it; a machine boots without it. */
async function noteDeviceMap(files: ConfigFiles): Promise<void> {
  for (const path of ['/boot/grub/device.map', '/boot/grub2/device.map']) {
    for (const line of ((await files.read(path)) ?? '').split('\n')) {
      const [drive = '', device = ''] = line.trim().split(/\s+/);
      if (!drive.startsWith('(hd') || !isBusName(device)) continue;
      files.note({
        id: 'guest.grub-device-map',
        severity: 'info',
        message: `${path} says that ${shown(drive)} is ${shown(device)}, which may be called otherwise at the target.`,
        remedy: 'Remove the file in the guest, or write it anew before GRUB is installed again.',
      });
      break;
    }
  }
}

/** lilo(8) writes down what it starts when it is run: its file alone changes nothing. */
async function noteLilo(files: ConfigFiles): Promise<void> {
  const path = '/etc/lilo.conf';
  const roots = ((await files.read(path)) ?? '').matchAll(
    /^[ \t]*(?:root[ \t]*=|append[ \t]*=.*[ \t"]root=)[ \t"]*(\/dev\/[^\s"]{1,200})/gm,
  );
  for (const [, device = ''] of roots) {
    if (!isBusName(device)) continue;
    files.note({
      id: 'guest.boot-root',
      severity: 'warning',
      message: `LILO starts the guest from ${shown(device)}, as ${path} says; it may be called otherwise at the target.`,
      remedy: 'Keep the disk on the same kind of bus, or install another boot loader in the guest before it moves.',
    });
  }
}
