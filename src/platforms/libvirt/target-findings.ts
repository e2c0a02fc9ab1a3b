import { freeBytes } from '../../exec/files.js';
import type { Finding } from '../../model/finding.js';
import type { ReplicaDiskSpec, TargetFacts, TargetVm } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { machineOf, nicModel } from './domain-xml.js';
import { storageDirectory } from './storage.js';

const GiB = 2 ** 30;
/** Room beside the disks: metadata of images, manifests, and layers of a few passes. */
const OVERHEAD = 1.05;

/** What of this VM this site cannot give. Ids are stable. */
export async function targetFindings(
  at: LibvirtConnection,
  vm: TargetVm,
  disks: readonly ReplicaDiskSpec[],
  facts: TargetFacts,
  signal?: AbortSignal,
): Promise<Finding[]> {
  return [
    ...networkFindings(vm, facts),
    ...identityFindings(vm, facts),
    ...(await spaceFindings(at, vm, disks, facts, signal)),
    ...hostFindings(vm, facts),
    ...hardwareFindings(vm, disks, facts),
  ];
}

function networkFindings({ description, networks }: TargetVm, facts: TargetFacts): Finding[] {
  const known = facts.networks.map((each) => each.name);
  return [...new Set(description.nics.map((nic) => nic.network))].flatMap((network): Finding[] => {
    const target = networks[network];
    if (target !== undefined && known.includes(target)) return [];
    const what = target === undefined ? 'is mapped to no network' : `is mapped to "${target}", which does not exist`;
    const remedy = `Map it under networks in the request. Networks there: ${known.join(', ') || 'none'}.`;
    const id = target === undefined ? 'network.unmapped' : 'network.missing';
    return [blocking(id, `The network "${network}" ${what} at the target.`, remedy)];
  });
}

function identityFindings({ owner, name, description }: TargetVm, facts: TargetFacts): Finding[] {
  const others = facts.vms.filter((each) => !each.name.endsWith(`-rehearsal-${owner.migrationId}`));
  const findings: Finding[] = [];
  const rename = 'Rename or remove that VM, or give the request another targetName.';
  if (others.some((each) => each.name === name)) {
    findings.push(blocking('vm.name-in-use', `The target has a VM named "${name}" already.`, rename));
  }
  const twin = others.find((each) => each.uuid.toLowerCase() === description.uuid.toLowerCase());
  if (twin) {
    const message = `The UUID ${description.uuid} belongs to the VM "${twin.name}" at the target.`;
    findings.push(blocking('vm.uuid-in-use', message, 'Undefine that VM if it is what a former move left.'));
  }
  for (const { mac } of description.nics) {
    const user = others.find((each) => each.macs.includes(mac.toLowerCase()));
    if (!user) continue;
    const message = `The MAC address ${mac} is used by the VM "${user.name}" at the target.`;
    findings.push(blocking('nic.mac-in-use', message, 'Give one of the two another address.'));
  }
  return findings;
}

async function spaceFindings(
  at: LibvirtConnection,
  { description }: TargetVm,
  disks: readonly ReplicaDiskSpec[],
  facts: TargetFacts,
  signal?: AbortSignal,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const wanted = new Map<string, { now: number; full: number }>();
  for (const disk of disks) {
    const source = description.disks.find((each) => each.id === disk.id);
    const sum = wanted.get(disk.storage ?? '') ?? { now: 0, full: 0 };
    sum.now += (source?.allocatedBytes ?? disk.sizeBytes) * OVERHEAD;
    sum.full += disk.sizeBytes * OVERHEAD;
    wanted.set(disk.storage ?? '', sum);
  }
  for (const [storage, { now, full }] of wanted) {
    const name = storage || at.config.storage;
    let free: number;
    try {
      free = await freeBytes(at.host, await storageDirectory(at, storage || null, signal), { signal });
    } catch (error) {
      signal?.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      const known = facts.storages.map((each) => each.name).join(', ') || 'none';
      const remedy = `Name another one under storage in the request. Pools and directories there: ${known}.`;
      findings.push(blocking('storage.missing', `The storage "${name}" cannot be used: ${why}`, remedy));
      continue;
    }
    if (free >= full) continue;
    const message = `The disks need ${gib(now)} now and up to ${gib(full)}; "${name}" has ${gib(free)} free.`;
    const remedy = 'Make room, or name another storage.';
    findings.push(
      free < now
        ? blocking('storage.space', message, remedy)
        : { id: 'storage.overcommitted', severity: 'warning', message, remedy },
    );
  }
  return findings;
}

function hostFindings({ description }: TargetVm, facts: TargetFacts): Finding[] {
  const findings: Finding[] = [];
  const { memoryBytes, cpu } = description;
  if (memoryBytes > facts.memoryBytes) {
    const message = `The VM has ${gib(memoryBytes)} of memory, the target's host ${gib(facts.memoryBytes)}.`;
    findings.push(blocking('host.memory', message, 'Ask for less with memory in the request.'));
  } else if (memoryBytes > facts.freeMemoryBytes) {
    const message = `The VM has ${gib(memoryBytes)} of memory; the target has ${gib(facts.freeMemoryBytes)} left now.`;
    findings.push(warning('host.memory-tight', message, 'Make room before the rehearsal, or ask for less memory.'));
  }
  if (cpu.count > facts.cpus) {
    const message = `The VM has ${cpu.count} CPUs, the target's host ${facts.cpus}.`;
    findings.push(warning('host.cpus', message, 'Ask for fewer with cpus in the request.'));
  }
  if (facts.accelerator === 'tcg') {
    const message = 'KVM does not work at the target: guests are emulated and slow.';
    findings.push(warning('host.no-kvm', message, 'Switch virtualisation on in the firmware of the host.'));
  }
  return findings;
}

function hardwareFindings(vm: TargetVm, disks: readonly ReplicaDiskSpec[], facts: TargetFacts): Finding[] {
  const { description } = vm;
  const findings: Finding[] = [];
  if (description.firmware === 'uefi' && !description.secureBoot && !facts.firmware.uefi) {
    findings.push(blocking('firmware.uefi-missing', 'The target has no UEFI firmware.', 'Install ovmf there.'));
  }
  if (description.secureBoot && !facts.firmware.secureBoot) {
    const message = 'The target has no UEFI firmware with secure boot.';
    findings.push(blocking('firmware.secure-boot-missing', message, 'Install ovmf there.'));
  }
  if (description.tpm && !facts.tpm) {
    const message = 'The VM has a TPM, and the target cannot emulate one.';
    findings.push(blocking('tpm.missing', message, 'Install swtpm and swtpm-tools there.'));
  }
  for (const disk of description.disks.filter((each) => disks.some((wanted) => wanted.id === each.id))) {
    if (disk.bus !== 'nvme' && !(disk.bus === 'ide' && machineOf(description) === 'q35')) continue;
    const message = `Disk ${disk.id} is on the bus ${disk.bus}, which the target cannot give this machine.`;
    findings.push(blocking('disk.bus-unsupported', message, 'Move the disk to virtio, SCSI or SATA at the source.'));
  }
  for (const nic of description.nics.filter((each) => nicModel(each.model) !== each.model)) {
    const message = `The NIC ${nic.mac} is a ${nic.model}, which the target does not have; it becomes ${nicModel(nic.model)}.`;
    findings.push(warning('nic.model', message, 'Make sure that the guest has a driver for it.'));
  }
  return findings;
}

function blocking(id: string, message: string, remedy: string): Finding {
  return { id, severity: 'blocking', message, remedy };
}

function warning(id: string, message: string, remedy: string): Finding {
  return { id, severity: 'warning', message, remedy };
}

function gib(bytes: number): string {
  return `${(bytes / GiB).toFixed(1)} GiB`;
}
