import type { Finding } from '../model/finding.js';
import { ConfigFiles, shown } from './config-files.js';
import type { Edit, GuestTree } from './tree.js';

/** Where LVM and mdadm are told on which disks to look for their members, which they otherwise know by what is on them. */

/** Kinds of an id that do not depend on how a disk is attached (lvmdevices(8), "Device ID"). */
const STAYING_IDS = ['md_uuid', 'crypt_uuid', 'lvmlv_uuid', 'drbd', 'loop_file'];
/** Kernel names by bus and links by controller or serial number, within a pattern. */
const BUS = /(?:^|[/^(|[])(?:sd|hd|vd|xvd|nvme|cciss)|by-path|by-id\/(?!dm-|md-|lvm-)/;

/**
 * Puts LVM's list of devices aside where it names disks by what they are at the source: LVM sees no other ones, and without
 * the list it looks at all, as it did before there were such lists (lvmdevices(8)); virt-v2v removes it. What else narrows
 * the search is said only, since the initramfs has a copy of it. Run on its own result, it changes nothing.
 */
export async function freeVolumes(tree: GuestTree): Promise<{ edits: Edit[]; findings: Finding[] }> {
  const files = new ConfigFiles(tree);
  const listed = await listedDisks(files);
  const path = listed[0]?.file;
  if (path !== undefined) {
    const aside = `${path}.before-move`;
    await files.write(aside, (await files.read(path)) ?? '', 0o600);
    await files.remove(path);
    files.note({
      id: 'guest.lvm-devices',
      severity: 'info',
      message: `${shown(path)} named LVM's disks by what they were at the source, such as ${shown(listed[0]?.device ?? '')}; it was put aside as ${shown(aside)}, so that LVM looks at all disks.`,
      remedy: 'Have the guest make a new list once it runs, if one is wanted: `vgimportdevices -a`.',
    });
  }
  await noteFilters(files);
  await noteMdadm(files);
  return { edits: files.edits(), findings: files.findings };
}

/** Disks in LVM's list by a name that hangs on how they are attached. */
export async function listedDisks(files: ConfigFiles): Promise<{ file: string; device: string }[]> {
  let [name, used] = ['system.devices', true];
  for (const { text } of await lvmSettings(files)) {
    // lvm.conf(5), devices/devicesfile and devices/use_devicesfile.
    name = /^[ \t]*(?:devices\/)?devicesfile[ \t]*=[ \t]*"([\w.-]{1,64})"/m.exec(text)?.[1] ?? name;
    const use = /^[ \t]*(?:devices\/)?use_devicesfile[ \t]*=[ \t]*(\d)/m.exec(text)?.[1];
    if (use !== undefined) used = use !== '0';
  }
  const file = `/etc/lvm/devices/${name}`;
  const text = used && (await files.list('/etc/lvm/devices')).includes(name) ? await files.read(file) : null;
  return [...(text ?? '').matchAll(/^IDTYPE=(\S{1,64})[ \t]+IDNAME=(\S{1,500})/gm)]
    .filter(([, type = '']) => !STAYING_IDS.includes(type))
    .map(([, , device = '']) => ({ file, device }));
}

/** The second has the last word. */
async function lvmSettings(files: ConfigFiles): Promise<{ path: string; text: string }[]> {
  const found: { path: string; text: string }[] = [];
  for (const path of ['/etc/lvm/lvm.conf', '/etc/lvm/lvmlocal.conf']) {
    const text = await files.read(path);
    if (text !== null) found.push({ path, text: text.replace(/^[ \t]*#.*$/gm, '') });
  }
  return found;
}

/** lvm.conf(5), devices/filter: the first pattern that fits a name decides, and what none fits is accepted. */
async function noteFilters(files: ConfigFiles): Promise<void> {
  for (const { path, text } of await lvmSettings(files)) {
    const lists = text.matchAll(
      /^[ \t]*(?:devices\/)?((?:global_)?filter)[ \t]*=[ \t]*\[?((?:[\s,]*"(?:[^"\\\n]|\\.)*")+)/gm,
    );
    for (const [, key = '', list = ''] of lists) {
      const patterns = [...list.matchAll(/"((?:[^"\\\n]|\\.)*)"/g)].flatMap(([, each = '']) => {
        const [, way, , pattern = ''] = /^([ar])(.)(.*)\2$/.exec(each) ?? [];
        return way === undefined ? [] : [{ way, pattern }];
      });
      const shut = patterns.some(({ way, pattern }) => way === 'r' && ANY.includes(pattern.replace(/^\^|\$$/g, '')));
      const named = (way: string) => patterns.filter((each) => each.way === way && BUS.test(each.pattern));
      const accepted = shut ? named('a') : [];
      // One that takes the names of several buses was made for a guest that moves.
      const wide = ['sd', 'vd'].every((bus) => accepted.some(({ pattern }) => pattern.includes(bus)));
      if ((accepted.length === 0 || wide) && named('r').length === 0) continue;
      files.note({
        id: 'guest.lvm-filter',
        severity: 'warning',
        message: `${path} has LVM choose disks by names that may be others at the target: ${key} = ${shown(patterns.map(({ way, pattern }) => `${way}|${pattern}|`).join(', '))}.`,
        remedy: `Before the guest moves, have the filter take the names of the target's disks (/dev/vda, /dev/sda, …) or remove it, and ${REBUILD}.`,
      });
    }
  }
}

const ANY = ['.*', '.', '.+', '', '/', '/.*', '/dev', '/dev/', '/dev/.*', '.*/.*', '*'];
const REBUILD = 'have the guest build its initramfs anew, which holds a copy';

/** mdadm.conf(5), DEVICE and the devices= of an ARRAY; a line that begins with a blank goes on with the one before. */
async function noteMdadm(files: ConfigFiles): Promise<void> {
  for (const path of ['/etc/mdadm.conf', '/etc/mdadm/mdadm.conf']) {
    const text = (await files.read(path)) ?? '';
    const lines = text
      .replace(/#.*$/gm, '')
      .replace(/\n(?=[ \t])/g, ' ')
      .split('\n');
    const words = (key: RegExp) => lines.filter((line) => key.test(line)).flatMap((line) => line.split(/\s+/).slice(1));
    const devices = words(/^dev/i);
    const members = words(/^arr/i).flatMap((word) => /^devices=(.*)$/i.exec(word)?.[1] ?? []);
    const narrow = devices.includes('partitions') ? [] : devices;
    const named = [...narrow, ...members].filter((each) => BUS.test(each));
    const wide = ['/sd', '/vd'].every((bus) => narrow.some((each) => each.includes(bus)));
    if (named.length === 0 || (wide && members.length === 0)) continue;
    files.note({
      id: 'guest.mdadm-devices',
      severity: 'warning',
      message: `${path} has mdadm look for members of RAIDs on ${shown(named.join(' '))} only, which may be called otherwise at the target.`,
      remedy: `Before the guest moves, write \`DEVICE partitions containers\` there, leave out \`devices=\`, and ${REBUILD}.`,
    });
  }
}
