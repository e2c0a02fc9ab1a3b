import type { LibvirtFinding } from './finding-kinds.js';
import { hostDevices } from './host-devices.js';
import { TUNING } from './tuning.js';
import type { XmlElement } from '../xml.js';

/**
 * What a domain has and its copy will not. Everything that is not on the lists of what is understood is named, so that
 * a new element of libvirt's is a finding and never a silent loss.
 */

/** Devices that are carried over, or that a target makes anew as it needs them. */
const DEVICES = new Set([
  ...['emulator', 'disk', 'controller', 'interface', 'serial', 'console', 'channel', 'input', 'graphics', 'video'],
  ...['sound', 'audio', 'rng', 'tpm', 'memballoon', 'hub', 'hostdev', 'memory', 'lease'],
]);

/** Elements of the domain that are carried over, mean nothing elsewhere, or have a finding of their own. */
const SETTINGS = new Set([
  ...['name', 'uuid', 'title', 'description', 'metadata', 'memory', 'currentMemory', 'vcpu', 'os', 'features', 'cpu'],
  ...['clock', 'on_poweroff', 'on_reboot', 'on_crash', 'pm', 'devices', 'seclabel', 'resource'],
  ...['launchSecurity', 'qemu:commandline'],
  ...TUNING,
]);

export function notCarriedOver(domain: XmlElement, live: XmlElement | null): LibvirtFinding[] {
  const devices = domain.at('devices')?.all() ?? [];
  return [
    ...hostDevices(domain, live),
    ...unlikeNics(devices),
    ...variables(domain),
    ...machineSettings(domain),
    ...unknown(domain, devices),
    ...pending(domain, live),
  ];
}

/** UEFI variables are read from a file (libvirt, formatdomain, "nvram"); elsewhere the target would get new ones unsaid. */
function variables(domain: XmlElement): LibvirtFinding[] {
  const kind = domain.at('os/nvram')?.get('type') ?? 'file';
  if (kind === 'file') return [];
  return [
    {
      id: 'firmware.variables-elsewhere',
      severity: 'blocking',
      message: `The VM's UEFI variables lie in no file but in storage of the kind "${kind}"; they are not carried over.`,
      remedy: 'Move them into a file at the source, or waive this finding when the guest can start with new ones.',
    },
  ];
}

/** Cards that are connected in another way than a description says. */
function unlikeNics(devices: XmlElement[]): LibvirtFinding[] {
  const others = devices.filter(
    (each) => each.name === 'interface' && !['network', 'bridge', 'hostdev'].includes(each.get('type') ?? ''),
  );
  return others.map((nic) => ({
    id: 'nic.kind',
    severity: 'warning',
    message: `The network card ${nic.at('mac')?.get('address') ?? ''} is connected in a way ("${nic.get('type') ?? ''}") that is not carried over.`,
    remedy: 'Name a network of the target for it under `networks`.',
  }));
}

function machineSettings(domain: XmlElement): LibvirtFinding[] {
  const findings: LibvirtFinding[] = [];
  const mode = domain.at('cpu')?.get('mode');
  if (mode === 'host-passthrough' || mode === 'host-model' || mode === 'maximum') {
    findings.push({
      id: 'cpu.host-model',
      severity: mode === 'host-model' ? 'info' : 'warning',
      message: `The VM has the processor of its host (${mode}); at the target it gets that of the target.`,
      remedy: 'See whether the software in the guest needs features or a licence of this very processor.',
    });
  }
  const arch = domain.at('os/type')?.get('arch');
  if (arch && arch !== 'x86_64' && arch !== 'i686') {
    findings.push({
      id: 'cpu.architecture',
      severity: 'blocking',
      message: `The VM is for ${arch}; only x86 is supported.`,
      remedy: 'Leave it where it is.',
    });
  }
  if (domain.at('os/kernel') || domain.at('os/initrd')) {
    findings.push({
      id: 'boot.direct-kernel',
      severity: 'blocking',
      message: 'The VM boots a kernel from a file of its host, which is not carried over.',
      remedy: 'Install a boot loader in the guest, or waive this finding when its disk can boot by itself.',
    });
  }
  if (domain.at('launchSecurity')) {
    findings.push({
      id: 'security.encrypted-memory',
      severity: 'blocking',
      message: "The VM's memory is encrypted by its host's processor (launchSecurity).",
      remedy: 'Turn it off before the move.',
    });
  }
  if (domain.at('qemu:commandline')) {
    findings.push({
      id: 'qemu.commandline',
      severity: 'warning',
      message: 'Arguments given straight to QEMU are not carried over.',
      remedy: 'See what they are for: `virsh dumpxml` shows them under qemu:commandline.',
    });
  }
  return findings;
}

function unknown(domain: XmlElement, devices: XmlElement[]): LibvirtFinding[] {
  const findings: LibvirtFinding[] = [];
  const strange = names(devices.filter((each) => !DEVICES.has(each.name)));
  if (strange.includes('filesystem')) {
    findings.push({
      id: 'filesystem.shared',
      severity: 'blocking',
      message: "The guest uses a folder of its host (filesystem), which is not among the VM's disks.",
      remedy: 'Copy its content into the guest, or waive this finding when it can do without.',
    });
  }
  const rest = strange.filter((name) => name !== 'filesystem');
  if (rest.length > 0) {
    findings.push({
      id: 'device.not-carried-over',
      severity: 'info',
      message: `These devices are not carried over: ${rest.join(', ')}.`,
      remedy: 'Add them at the target by hand if the guest needs them.',
    });
  }
  const settings = names(domain.all().filter((each) => !SETTINGS.has(each.name)));
  if (settings.length > 0) {
    findings.push({
      id: 'setting.not-carried-over',
      severity: 'info',
      message: `These settings are not carried over: ${settings.join(', ')}.`,
      remedy: 'Set them at the target by hand if they matter.',
    });
  }
  return findings;
}

/** Whether what runs differs from what would run after the next start, in what counts here. */
function pending(domain: XmlElement, live: XmlElement | null): LibvirtFinding[] {
  if (!live) return [];
  const outline = (each: XmlElement) =>
    JSON.stringify([
      each
        .at('devices')
        ?.all('disk')
        .filter((disk) => (disk.get('device') ?? 'disk') === 'disk')
        .map((disk) => [disk.at('target')?.get('dev'), disk.at('source')?.get('file')]),
      each
        .at('devices')
        ?.all('interface')
        .map((nic) => nic.at('mac')?.get('address')),
    ]);
  if (outline(domain) === outline(live)) return [];
  return [
    {
      id: 'definition.differs',
      severity: 'warning',
      message: 'What runs has other disks or network cards than the saved definition; what runs is what is moved.',
      remedy: 'Make the definition and what runs the same, or check the list of disks and network cards.',
    },
  ];
}

function names(elements: XmlElement[]): string[] {
  return [...new Set(elements.map((each) => each.name))].sort();
}
