import { isRemovable, isBusName, type BusNames } from './bus-names.js';
import { replaceAll, type ConfigFiles, type Replacement } from './config-files.js';
import { expandGlob } from './glob.js';
import { settingsOf } from './sections.js';

/** Mounts and swap spaces that are units of systemd rather than lines of fstab, with what adds to them. */
const FOLDER = '/etc/systemd/system';

/** systemd.mount(5): a unit is called by where it mounts, so that what it mounts can be named in another way. */
export async function changeMountUnits(files: ConfigFiles, names: BusNames): Promise<void> {
  await eachWhat(files, 'mount', 'Mount', (path, device) => {
    const uuid = names.stable(device, path);
    return uuid === null ? null : uuid.replace('UUID=', '/dev/disk/by-uuid/');
  });
  // systemd.swap(5): a unit is called by its device.
  await eachWhat(files, 'swap', 'Swap', (path, device) => {
    if (isBusName(device)) names.note(device, path, 'by which the unit is called', null);
    return null;
  });
}

/** Names of disks in such units, as they are written. */
export async function mountedByUnits(files: ConfigFiles): Promise<{ file: string; device: string }[]> {
  const found: { file: string; device: string }[] = [];
  for (const [kind, section] of [
    ['mount', 'Mount'],
    ['swap', 'Swap'],
  ] as const) {
    await eachWhat(files, kind, section, (file, device) => {
      found.push({ file, device });
      return null;
    });
  }
  return found;
}

async function eachWhat(
  files: ConfigFiles,
  kind: string,
  section: string,
  change: (path: string, device: string) => string | null,
): Promise<void> {
  for (const pattern of [`${FOLDER}/*.${kind}`, `${FOLDER}/*.${kind}.d/*.conf`]) {
    for (const path of await expandGlob(files, pattern)) {
      const text = await files.read(path);
      if (text === null) continue;
      const replacements: Replacement[] = [];
      const settings = settingsOf(text, true);
      const type = settings.findLast((each) => each.section === section && each.key === 'Type')?.value;
      for (const { section: of, key, value, start, end } of settings) {
        if (of !== section || key !== 'What' || isRemovable(value, type)) continue;
        const by = change(path, value);
        if (by !== null) replacements.push({ start, end, by });
      }
      await files.write(path, replaceAll(text, replacements));
    }
  }
}
