/**
 * What an OVF calls a guest's system: the number of CIM (CIM_OperatingSystem.OSType, DMTF CIM schema 2.35) and VMware's
 * name (vSphere API, VirtualMachineGuestOsIdentifier). Of each family one that hosts of long ago know, too: a name that is
 * not known there is refused.
 */
export interface OperatingSystem {
  cim: number;
  vmware: string;
}

/** The first that fits counts. */
const KNOWN: [RegExp, OperatingSystem][] = [
  [/windows.*(server|srv).*(2008)|win(dows)?[/ ]?2k8\b/, { cim: 103, vmware: 'windows7Server64Guest' }],
  [/windows.*(server|srv)|win[/ ]?2k(12|16|19|22|25)/, { cim: 112, vmware: 'windows8Server64Guest' }],
  [/windows ?7|win[/ ]?7\b/, { cim: 105, vmware: 'windows7_64Guest' }],
  [/windows|microsoft\.com\/win/, { cim: 114, vmware: 'windows8_64Guest' }],
  [/ubuntu/, { cim: 94, vmware: 'ubuntu64Guest' }],
  [/debian/, { cim: 96, vmware: 'debian6_64Guest' }],
  [/centos|alma|rocky/, { cim: 107, vmware: 'centos64Guest' }],
  [/rhel|red ?hat|fedora/, { cim: 80, vmware: 'rhel6_64Guest' }],
  [/oracle/, { cim: 109, vmware: 'oracleLinux64Guest' }],
  [/sles|sled|suse/, { cim: 85, vmware: 'sles11_64Guest' }],
  [/freebsd/, { cim: 78, vmware: 'freebsd64Guest' }],
  [/linux|arch|gentoo|alpine|cirros/, { cim: 101, vmware: 'otherLinux64Guest' }],
];

const OTHER: OperatingSystem = { cim: 102, vmware: 'otherGuest64' };

/** @param declared in the words of libosinfo, VMware, VirtualBox or CIM; null where nobody said. */
export function operatingSystem(declared: string | null): OperatingSystem {
  const text = (declared ?? '').slice(0, 200).toLowerCase();
  const known = KNOWN.find(([pattern]) => pattern.test(text))?.[1] ?? OTHER;
  // VMware's own name is kept.
  return declared !== null && /^[A-Za-z0-9_]{1,60}Guest(64)?$/.test(declared) ? { ...known, vmware: declared } : known;
}
