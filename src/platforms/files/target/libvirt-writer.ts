import { join } from 'node:path';
import type { VmDescription } from '../../../model/vm.js';
import { domainXml } from '../../libvirt/domain-xml.js';
import type { TargetVm } from '../../platform.js';
import type { DiskFormat } from '../../../model/package.js';

/**
 * libvirt's domain XML of a machine whose disks lie in `folder`: it can be defined as it is while they are there. Readers
 * of ours look for the last part of each path beside it.
 * @param vm as `exportedVm` gives it. @param files of each disk, in order. @param nvram file of the UEFI variables.
 */
export function domainDescriptor(
  target: TargetVm,
  vm: VmDescription,
  folder: string,
  files: readonly string[],
  nvram: string | null,
): string {
  const disks = vm.disks.map(({ id, format }, index) => {
    return [id, { path: join(folder, files[index]!), format: format as DiskFormat }] as const;
  });
  const text = domainXml({
    vm: { ...target, description: vm },
    name: vm.name,
    uuid: vm.uuid,
    role: 'target',
    // Whoever defines it changes this where its host has no KVM.
    accelerator: 'kvm',
    disks: new Map(disks),
    network: ({ network }) => ({ kind: 'network', name: network }),
    linksUp: true,
    firmware: null,
    consoleLog: null,
    portable: { nvramPath: nvram === null ? null : join(folder, nvram) },
  });
  return `${text}\n`;
}
