import type { ForeignVm } from './foreign.js';
import { consolidation } from './foreign-findings.js';
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
    const { names, findings } = parseVmsd(textOf(await readSmall(list, MOST_LIST_BYTES, signal)), list.name);
    const said = [...foreign.vm.findings, ...findings];
    const has = (id: string) => said.some((each) => each.id === id);
    if (names.length === 0 && has('disk.snapshot-layer') && !has('vm.consolidation')) said.push(consolidation());
    return { ...foreign, vm: { ...foreign.vm, findings: said } };
  } finally {
    await list.close();
  }
}
