import { blocking, info, warning, type Finding } from '../../model/finding.js';
import { isTrue } from './ovf-envelope.js';
import { nothingSaid, type MachineFacts } from './ovf-machine.js';
import type { OvfNode } from './ovf-node.js';
import { dashedUuid, quoted } from './foreign-values.js';

/** `BiosType`, counted as before oVirt 4.4 had a default of the cluster (engine, OvfReader). */
const BIOS_TYPES = new Map<string, { machine: string; firmware: 'bios' | 'uefi'; secureBoot: boolean }>([
  ['0', { machine: 'pc', firmware: 'bios', secureBoot: false }],
  ['1', { machine: 'q35', firmware: 'bios', secureBoot: false }],
  ['2', { machine: 'q35', firmware: 'uefi', secureBoot: false }],
  ['3', { machine: 'q35', firmware: 'uefi', secureBoot: true }],
]);

/** oVirt and RHV, and virt-v2v for them: elements of their own within the virtual system (engine, OvfWriter). */
export function ovirtFacts(system: OvfNode): MachineFacts {
  const facts = nothingSaid();
  const os = system.first('OperatingSystemSection');
  facts.uuid = dashedUuid(system.child('OvfId')) ?? dashedUuid(os?.get('id') ?? null) ?? dashedUuid(system.get('id'));
  const type = system.child('BiosType');
  const known = BIOS_TYPES.get(type ?? '0');
  if (known) {
    facts.firmware = known.firmware;
    facts.secureBoot = known.secureBoot;
    facts.machine = type === null ? null : known.machine;
  } else {
    facts.findings.push(strangeType(type ?? ''));
  }
  // Names of Windows' time zones: its clock runs in them. Others have UTC, whatever the name says of it.
  const zone = system.child('TimeZone') ?? 'Etc/GMT';
  facts.clock = /^(Etc\/|UTC|GMT$)|\//.test(zone) ? 'utc' : 'localtime';
  facts.cpuModel = system.child('CustomCpuName');
  facts.left = [
    'UserDefinedProperties',
    'PredefinedProperties',
    'CpuPinning',
    'CustomEmulatedMachine',
    'VmInit',
  ].filter((name) => system.child(name) !== null || (name === 'VmInit' && system.first(name) !== null));
  facts.findings.push(...kernel(system), ...snapshots(system), ...placement(system));
  return facts;
}

function strangeType(type: string): Finding {
  return {
    id: 'firmware.unknown',
    ...warning(
      `The VM's firmware is of a kind that is not known (BiosType ${quoted(type)}); it gets a BIOS.`,
      'See how the guest starts; write 2 there for UEFI, 3 for UEFI with secure boot.',
    ),
  };
}

function kernel(system: OvfNode): Finding[] {
  if (system.child('kernel_url') === null && system.child('initrd_url') === null) return [];
  return [
    {
      id: 'boot.direct-kernel',
      ...blocking(
        'The VM boots a kernel from a file of its host, which is not carried over.',
        'Install a boot loader in the guest, or waive this finding when its disk can boot by itself.',
      ),
    },
  ];
}

/** What runs is in the list as well. */
function snapshots(system: OvfNode): Finding[] {
  const all = system.all('SnapshotsSection').flatMap((each) => each.all('Snapshot'));
  const count = all.filter((each) => each.child('Type') !== 'ACTIVE').length;
  if (count === 0) return [];
  return [
    {
      id: 'vm.snapshots',
      ...warning(
        `The VM has ${count} snapshot(s), which are not carried over.`,
        'Keep the source for as long as somebody may want to go back to one of them.',
      ),
    },
  ];
}

/** How the engine places and restarts it (engine, OvfWriter). */
function placement(system: OvfNode): Finding[] {
  const within = (name: string) => system.all(name).some((each) => each.children.length > 0);
  const said = [
    ...(isTrue(system.child('AutoStartup')) || system.child('LeaseDomainId') ? ['high availability'] : []),
    ...(system.child('DedicatedVmForVds') ? ['hosts that it prefers'] : []),
    ...(within('AffinityGroupsSection') || within('AffinityLabelsSection') ? ['affinity to hosts or VMs'] : []),
  ];
  if (said.length === 0) return [];
  return [
    {
      id: 'vm.placement',
      ...info(
        `How oVirt places the VM is not carried over: ${said.join(', ')}.`,
        'Set it up at the target; at the source take it out of high availability, so that nobody starts it there again.',
      ),
    },
  ];
}
