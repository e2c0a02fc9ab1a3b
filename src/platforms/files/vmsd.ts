import type { Finding } from '../../model/finding.js';
import { consolidation, snapshots } from './foreign-findings.js';
import { quoted } from './foreign-values.js';
import { VmxDictionary } from './vmx-dictionary.js';

/** VMware's list of a machine's snapshots, the .vmsd beside its .vmx: `snapshot0.displayName = "…"` and so on. */
export interface SnapshotList {
  /** In the order of the file; one without a name is called as the file calls it. */
  names: string[];
  findings: Finding[];
}

/** An empty file is what a machine without snapshots has. @throws VmferryError `HostileInput`. */
export function parseVmsd(text: string, what = 'the list of snapshots'): SnapshotList {
  const vmsd = new VmxDictionary(text, what);
  const names = vmsd
    .numbered('snapshot')
    .filter((number) => vmsd.has(`snapshot${number}.uid`) || vmsd.has(`snapshot${number}.filename`))
    .map((number) => shown(vmsd.raw(`snapshot${number}.displayName`)) || `snapshot${number}`);
  const findings = [
    ...(names.length > 0 ? [snapshots(names)] : []),
    ...(vmsd.raw('snapshot.needConsolidate').toLowerCase() === 'true' ? [consolidation()] : []),
  ];
  return { names, findings };
}

/** People give these names, with whatever they like in them; nothing is looked up by them. */
function shown(name: string): string {
  return /^[^\u0000-\u001f\u007f]{0,120}$/.test(name) ? name : quoted(name);
}
