import { blocking, warning } from '../../model/finding.js';
import { isTrue } from './ovf-envelope.js';
import { merged, nothingSaid, type MachineFacts } from './ovf-machine.js';
import type { OvfNode } from './ovf-node.js';
import { ovirtFacts } from './ovf-ovirt.js';
import { quoted, wholeNumber, dashedUuid } from './foreign-values.js';
import { isTuning, tuningFindings } from './vmware-tuning.js';
import { virtualBoxFacts } from './ovf-virtualbox.js';

/** What each tool writes of a machine beside the hardware's items. */

export function machineFacts(system: OvfNode, hardware: OvfNode | null, what: string, ovirt: boolean): MachineFacts {
  return merged([
    vmwareFacts(system, hardware),
    virtualBoxFacts(system, what),
    ...(ovirt ? [ovirtFacts(system)] : []),
    xenFacts(hardware, what),
    standardFacts(system, hardware),
  ]);
}

/** Settings that are read elsewhere, or say how VMware's own tools behave. */
const VMWARE_IGNORED =
  /^(tools|powerOpInfo|slotInfo|flags|connectable)\.|^(firmware|uuid|uuid\.bios|nvram)$|^video|^(svga|pciBridge\d*)\.|^bootOptions\.efiSecureBootEnabled$|^uefi\.secureBoot\.enabled$/i;

/** `vmw:Config` and `vmw:ExtraConfig` (VMware, "OVF Tool User's Guide": they are a machine's settings as in its .vmx). */
function vmwareFacts(system: OvfNode, hardware: OvfNode | null): MachineFacts {
  const facts = nothingSaid();
  const settings = new Map(
    (hardware?.all('Config', 'ExtraConfig') ?? []).map((each) => [(each.get('key') ?? '').toLowerCase(), each]),
  );
  const setting = (key: string) => settings.get(key.toLowerCase())?.get('value') ?? null;
  const firmware = setting('firmware')?.toLowerCase() ?? null;
  if (firmware === 'efi' || firmware === 'bios') facts.firmware = firmware === 'efi' ? 'uefi' : 'bios';
  else if (firmware !== null) facts.findings.push(strangeFirmware(firmware));
  facts.secureBoot = isTrue(setting('bootOptions.efiSecureBootEnabled') ?? setting('uefi.secureBoot.enabled'));
  facts.uuid = dashedUuid(setting('uuid')) ?? dashedUuid(setting('uuid.bios'));
  facts.guestOs = system.first('OperatingSystemSection')?.get('osType') ?? null;
  // VMware gives Windows the local time.
  if (facts.guestOs !== null) facts.clock = /^(win|longhorn|whistler|dos)/i.test(facts.guestOs) ? 'localtime' : 'utc';
  const named = [...settings.values()].map((each) => [each.get('key') ?? each.name, each.get('value') ?? ''] as const);
  facts.findings.push(...tuningFindings(named));
  facts.left = named
    .filter(([key, value]) => !VMWARE_IGNORED.test(key) && !isTuning(key) && value.toLowerCase() !== 'false')
    .map(([key]) => key);
  return facts;
}

function strangeFirmware(name: string) {
  return {
    id: 'firmware.unknown',
    ...warning(
      `The VM's firmware is of a kind that is not known (${quoted(name)}); it gets a BIOS.`,
      'See how the guest starts; write `firmware` with the value `efi` in the descriptor if it needs UEFI.',
    ),
  };
}

const XEN_KNOWN =
  /^(hvm_boot_policy|hvm_boot_params|platform|recommendations|hardware_platform_version|vm_has_vendor_device|hvm_shadow_multiplier|pv_.*)$/;

/** XenServer and XCP-ng: fields of their VM record as `VirtualSystemOtherConfigurationData` (Xen API, class VM). */
function xenFacts(hardware: OvfNode | null, what: string): MachineFacts {
  const facts = nothingSaid();
  const data = hardware?.all('VirtualSystemOtherConfigurationData') ?? [];
  const fields = new Map(data.map((each) => [(each.get('Name') ?? '').toLowerCase(), each.child('Value') ?? '']));
  const type = hardware?.first('System')?.child('VirtualSystemType') ?? '';
  const paravirtual = /^(xen-|dmtf:xen:pv)/i.test(type) || fields.get('hvm_boot_policy') === '';
  if (paravirtual) {
    facts.findings.push({
      id: 'vm.paravirtual',
      ...blocking(
        'The VM is paravirtual: Xen itself starts its kernel, which no other hypervisor does.',
        'Make it an HVM at the source and install a boot loader, or waive this finding when it has one.',
      ),
    });
  }
  const platform = pairs(fields.get('platform'));
  const firmware = pairs(fields.get('hvm_boot_params')).get('firmware')?.toLowerCase();
  if (firmware !== undefined) facts.firmware = firmware === 'uefi' ? 'uefi' : 'bios';
  facts.secureBoot = isTrue(platform.get('secureboot'));
  if (isTrue(platform.get('vtpm'))) facts.tpm = { version: '2.0' };
  const cores = platform.get('cores-per-socket');
  if (cores) facts.coresPerSocket = wholeNumber(cores, 'cores-per-socket', what, 1, 1024);
  const offset = platform.get('timeoffset') ?? '0';
  if (data.length > 0) facts.clock = /^-?0*$/.test(offset) ? 'utc' : 'localtime';
  if ((fields.get('vgpu') ?? '') !== '') {
    facts.findings.push({
      id: 'hostdev.passthrough',
      ...blocking(
        'A graphics processor of the host is shared with the VM; it stays where it is.',
        'Detach it, or waive this finding when the guest can do without.',
      ),
    });
  }
  facts.left = [...fields]
    .filter(([name, value]) => !XEN_KNOWN.test(name) && name !== 'vgpu' && value !== '')
    .map(([name]) => name);
  return facts;
}

/** `nx=true;acpi=1;…` */
function pairs(text: string | undefined): Map<string, string> {
  return new Map(
    (text ?? '').split(/[;,]/).map((each): [string, string] => {
      const at = each.indexOf('=');
      return at < 0 ? [each.trim(), ''] : [each.slice(0, at).trim().toLowerCase(), each.slice(at + 1).trim()];
    }),
  );
}

/** What the specification itself has a place for; Hyper-V's second generation names itself there. */
function standardFacts(system: OvfNode, hardware: OvfNode | null): MachineFacts {
  const facts = nothingSaid();
  const settings = hardware?.first('System');
  facts.uuid =
    dashedUuid(settings?.child('BIOSGUID') ?? null) ??
    dashedUuid(settings?.child('VirtualSystemIdentifier') ?? null) ??
    dashedUuid(system.get('id'));
  const type = `${settings?.child('VirtualSystemType') ?? ''} ${settings?.child('VirtualSystemSubType') ?? ''}`;
  if (/Microsoft:Hyper-V:SubType:2/i.test(type)) facts.firmware = 'uefi';
  const os = system.first('OperatingSystemSection');
  const [id, description] = [os?.get('id') ?? null, os?.child('Description') ?? null];
  // CIM_OperatingSystem.OSType; oVirt has the VM's UUID in its place.
  const cim = id !== null && /^\d{1,5}$/.test(id) ? `CIM ${id}` : null;
  facts.guestOs = description && cim ? `${description} (${cim})` : (description ?? cim);
  return facts;
}
