import { bootFiles, DEVICE_ARGUMENT, otherDevices } from '../boot-arguments.js';
import { isBusName, isRemovable } from '../bus-names.js';
import { ConfigFiles } from '../config-files.js';
import { mountedByUnits } from '../mount-units.js';
import { readable } from '../text.js';
import type { GuestTree } from '../tree.js';
import { listedDisks } from '../volume-devices.js';

const MOST = 200;

/**
 * Where a Linux guest's way to boot names a disk by how it is attached: fstab(5), crypttab(5),
 * systemd.mount(5), LVM's list of devices, and the kernel's arguments.
 */
export async function busNamesUsed(tree: GuestTree): Promise<{ file: string; device: string }[]> {
  const files = new ConfigFiles(tree);
  const found = new Map<string, { file: string; device: string }>();
  const add = (file: string, device: string) => {
    if (found.size < MOST) found.set(`${file}\0${device}`, { file, device: readable(device) });
  };
  const use = (file: string, device: string | undefined, type?: string) => {
    if (device !== undefined && isBusName(device) && !isRemovable(device, type)) add(file, device);
  };
  for (const [file, field] of [
    ['/etc/fstab', 0],
    ['/etc/crypttab', 1],
  ] as const) {
    for (const line of ((await files.read(file)) ?? '').split('\n')) {
      const fields = line.trim().split(/[ \t]+/);
      if (!line.trim().startsWith('#')) use(file, fields[field], fields[2]);
    }
  }
  for (const { file, device } of await mountedByUnits(files)) use(file, device);
  for (const { file, device } of await listedDisks(files)) add(file, device);
  for (const file of await bootFiles(files)) {
    for (const { raw } of file.arguments) {
      for (const [, , device] of raw.matchAll(DEVICE_ARGUMENT)) use(file.path, device);
      for (const device of otherDevices(raw)) use(file.path, device);
    }
  }
  return [...found.values()];
}
