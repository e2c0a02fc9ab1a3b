import { ConfigFiles } from '../config-files.js';
import { namedDisks } from '../disk-names.js';
import { readable } from '../text.js';
import type { GuestTree } from '../tree.js';
import { listedDisks } from '../volume-devices.js';

const MOST = 200;

/** Where a Linux guest's way to boot names a disk by how it is attached, LVM's list of devices among it. */
export async function busNamesUsed(tree: GuestTree): Promise<{ file: string; device: string }[]> {
  const files = new ConfigFiles(tree);
  const found = new Map<string, { file: string; device: string }>();
  for (const { file, device } of [...(await namedDisks(files)), ...(await listedDisks(files))]) {
    if (found.size < MOST) found.set(`${file}\0${device}`, { file, device: readable(device) });
  }
  return [...found.values()];
}
