import { info, type Finding } from '../../model/finding.js';
import type { OvfItem } from './ovf-items.js';
import type { OvfNode } from './ovf-node.js';
import { listed } from './foreign-values.js';

/**
 * What is tried when the VM starts: `vmw:BootOrderSection` has kinds of devices, and numbers of items for disks. (That of OVF
 * 2.0, BootDeviceSection, names settings that lie elsewhere; it is met as an unknown section.)
 */
export function bootOrderOf(system: OvfNode, items: readonly OvfItem[]): { disks: string[]; findings: Finding[] } {
  const sections = system.all('BootOrderSection');
  const ids = sections.flatMap((each) => (each.get('instanceId') ?? '').split(/[\s,]+/));
  const disks = new Set(items.filter((each) => each.kind === 'disk').map((each) => each.id));
  const kinds = sections.map((each) => each.get('type') ?? 'unknown');
  const before = kinds.slice(0, kinds.includes('disk') ? kinds.indexOf('disk') : kinds.length);
  const findings =
    before.length === 0
      ? []
      : [
          {
            id: 'boot.order',
            ...info(
              `The VM tries other things before its disks when it starts (${listed(before)}); at the target it starts from its disks.`,
              'Set the order at the target if it is to start from the network or a CD.',
            ),
          },
        ];
  return { disks: [...new Set(ids)].filter((id) => disks.has(id)), findings };
}
