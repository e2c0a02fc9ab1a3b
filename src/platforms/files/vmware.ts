import type { ForeignVm } from './foreign.js';
import { readSmall, type Folder } from './member.js';
import { textOf } from './text.js';
import { parseVmsd } from './vmsd.js';
import { parseVmx } from './vmx.js';

const MOST_LIST_BYTES = 1024 * 1024;

/** A VMX with what lies beside it: the list of snapshots says what the disks alone do not. */
export async function vmwareMachine(
  files: Folder,
  name: string,
  text: string,
  signal?: AbortSignal,
): Promise<ForeignVm> {
  const foreign = parseVmx(text, `${files.name}/${name}`);
  const list = await files.open(name.replace(/\.vmx$/i, '.vmsd'), signal);
  if (!list) return foreign;
  try {
    const { findings } = parseVmsd(textOf(await readSmall(list, MOST_LIST_BYTES, signal)), list.name);
    return { ...foreign, vm: { ...foreign.vm, findings: [...foreign.vm.findings, ...findings] } };
  } finally {
    await list.close();
  }
}
