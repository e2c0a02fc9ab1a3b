import type { LibvirtFinding } from './finding-kinds.js';
import type { XmlElement } from '../xml.js';

/** What a domain has of its host, which stays there: devices, parts of them, TPMs, leases. */
export function hostDevices(domain: XmlElement, live: XmlElement | null): LibvirtFinding[] {
  const devices = domain.at('devices')?.all() ?? [];
  return [...passedThrough(devices), ...sriov(domain, live), ...tpms(devices), ...leases(devices)];
}

function passedThrough(devices: XmlElement[]): LibvirtFinding[] {
  const findings: LibvirtFinding[] = [];
  const given = devices.filter(({ name }) => name === 'hostdev');
  const usb = given.filter((each) => each.get('type') === 'usb');
  if (given.length > usb.length) {
    findings.push({
      id: 'hostdev.passthrough',
      severity: 'blocking',
      message: `${given.length - usb.length} device(s) of the host are passed through to the VM; they stay where they are.`,
      remedy: 'Detach them, or waive this finding when the guest can do without.',
    });
  }
  if (usb.length > 0) {
    const needed = usb.some((each) => each.at('source')?.get('startupPolicy') !== 'optional');
    findings.push({
      id: 'hostdev.usb',
      severity: needed ? 'blocking' : 'warning',
      message: `${usb.length} USB device(s) of the host are passed through to the VM; they stay where they are.`,
      remedy:
        'Detach them, or waive this finding when the guest can do without; at the target they are plugged in and added by hand.',
    });
  }
  return findings;
}

/** A card of a network of the kind "hostdev" is seen as one only while the VM runs. */
function sriov(domain: XmlElement, live: XmlElement | null): LibvirtFinding[] {
  const nics = [domain, live].flatMap((each) => each?.at('devices')?.all('interface') ?? []);
  const macs = nics
    .filter((nic) => nic.get('type') === 'hostdev')
    .map((nic) => nic.at('mac')?.get('address')?.toLowerCase() ?? 'without address');
  return [...new Set(macs)].map((mac) => ({
    id: 'nic.sriov',
    severity: 'blocking',
    message: `The network card ${mac} is a part of one of the host (SR-IOV); at the target it becomes a virtual one.`,
    remedy:
      'See that the guest has a driver for it and configures it by MAC address, name a network for it under `networks`, and waive this finding.',
  }));
}

function tpms(devices: XmlElement[]): LibvirtFinding[] {
  const findings: LibvirtFinding[] = [];
  for (const tpm of devices.filter((each) => each.name === 'tpm')) {
    const backend = tpm.at('backend');
    const kind = backend?.get('type') ?? 'emulator';
    if (kind === 'passthrough') {
      findings.push({
        id: 'tpm.passthrough',
        severity: 'blocking',
        message: "The VM uses the host's own TPM, whose keys cannot leave it.",
        remedy: 'Unseal what the guest keeps in it (such as disk keys), and remove the device.',
      });
    } else if (kind !== 'emulator' || backend?.at('source')) {
      const where = kind === 'emulator' ? (backend?.at('source')?.get('path') ?? '') : `a TPM of the kind "${kind}"`;
      findings.push({
        id: 'tpm.external',
        severity: 'blocking',
        message: `The TPM's state is not where libvirt keeps it, but in ${where}; it is not carried over.`,
        remedy: 'Unseal what the guest keeps in it, or waive this finding when it can start with an empty TPM.',
      });
    } else if (backend?.at('encryption')) {
      findings.push({
        id: 'tpm.encrypted',
        severity: 'blocking',
        message: "The TPM's state is encrypted with a libvirt secret, which is not carried over.",
        remedy: 'Unseal what the guest keeps in it, or waive this finding when it can start with an empty TPM.',
      });
    }
  }
  return findings;
}

/** Without its lease a VM may be started twice, and who watches the lease starts it again. */
function leases(devices: XmlElement[]): LibvirtFinding[] {
  const held = devices.filter(({ name }) => name === 'lease');
  if (held.length === 0) return [];
  return [
    {
      id: 'vm.lease',
      severity: 'warning',
      message: `The VM holds ${held.length} lease(s) of a lock manager, as highly available VMs do; they are not carried over.`,
      remedy: 'Take it out of high availability, so that nobody starts it again after the cutover has stopped it.',
    },
  ];
}
