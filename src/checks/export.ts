import { formatBytes } from '../model/format.js';
import { FORMATS_OF, groupedByBus, type DiskFormat, type PackagePlan } from '../model/package.js';
import { blocking, info, warning, type Found } from '../model/finding.js';
import { onNearest } from '../model/devices.js';
import { libosinfoId } from '../model/vm.js';
import { copiedDisks, type Facts, type Rule } from './rule.js';

/** What is lost, or becomes something else, where a machine is written as files. */

const GIB = 2 ** 30;

/** The largest virtual size of each format, where it has one that a disk may reach. */
const LARGEST_BYTES: Partial<Record<DiskFormat, number>> = {
  // Sectors are counted in 32 bits in its grain tables (VMware, "Virtual Disk Format 5.0").
  vmdk: 2048 * GIB,
  // Microsoft, "Virtual Hard Disk Image Format Specification" 1.0: 2040 GiB.
  vpc: 2040 * GIB,
  // MS-VHDX, 2.6.2.1.
  vhdx: 64 * 1024 * GIB,
};

export const exportRules: Rule[] = [
  {
    id: 'export.disk-size',
    title: 'A disk is larger than the image format of the package can be.',
    severity: 'blocking',
    basis: 'VMware, Virtual Disk Format 5.0; Microsoft, VHD 1.0 and MS-VHDX 2.6.2.1.',
    check: (facts) =>
      ofPackage(facts, ({ kind, diskFormat }) => {
        const most = LARGEST_BYTES[diskFormat] ?? Number.MAX_SAFE_INTEGER;
        const others = FORMATS_OF[kind].filter((each) => LARGEST_BYTES[each] === undefined);
        const remedy = others.length > 0 ? `Ask for a diskFormat of ${others.join(', ')}` : 'Ask for another package';
        return copiedDisks(facts)
          .filter(({ planned }) => planned.sizeBytes > most)
          .map(({ planned: { id, sizeBytes } }) =>
            blocking(
              `Disk ${id} has ${formatBytes(sizeBytes)}; as ${diskFormat} it can have ${formatBytes(most)}.`,
              `${remedy}, or leave it behind with excludeDisks.`,
            ),
          );
      }),
  },
  {
    id: 'export.firmware-variables',
    title: "The VM's UEFI variables are not in the package.",
    severity: 'warning',
    basis: 'VMware and VirtualBox keep them in forms of their own; an image alone says nothing of firmware.',
    check: (facts) =>
      ofPackage(facts, ({ kind }) =>
        facts.vm.firmware === 'uefi' && facts.vm.nvramPath !== null && kind !== 'libvirt-xml'
          ? [
              warning(
                "The VM's UEFI variables, with its boot entries, are not in the package: where it is brought in, it gets new ones.",
                'See that the guest also boots from \\EFI\\BOOT\\BOOTX64.EFI, or ask for the package "libvirt-xml".',
              ),
            ]
          : [],
      ),
  },
  {
    id: 'export.tpm',
    title: "The state of the VM's TPM is not in the package.",
    severity: 'blocking',
    basis: 'No kind of package has a place for it.',
    check: (facts) =>
      ofPackage(facts, () =>
        facts.vm.tpm === null
          ? []
          : [
              blocking(
                'The VM has a TPM, whose state is in no package: where it is brought in, what the guest sealed in it is lost.',
                'Unseal what the guest keeps in it (such as disk keys), and waive this finding.',
              ),
            ],
      ),
  },
  {
    id: 'export.undescribed',
    title: 'The package holds images only: nothing in it says what machine they are of.',
    severity: 'info',
    basis: 'Images carry no description of a machine.',
    check: (facts) =>
      ofPackage(facts, ({ kind }) =>
        kind === 'images'
          ? [
              info(
                'Only images are written: CPUs, memory, firmware and network cards of the VM are not described.',
                'Keep what `vmferry describe` prints beside them, or ask for another package.',
              ),
            ]
          : [],
      ),
  },
  {
    id: 'export.disk-order',
    title: 'The disks come in another order.',
    severity: 'warning',
    basis: 'DSP0243: disks are at controllers, which readers take one after the other.',
    check: (facts) =>
      ofPackage(facts, ({ kind }) => {
        if (kind !== 'ova' && kind !== 'ovf') return [];
        const copied = new Set(facts.disks.map(({ id }) => id));
        const disks = onNearest(facts.vm, facts.target.limits)
          .disks.filter(({ id }) => copied.has(id))
          .sort((a, b) => a.order - b.order);
        const [before, after] = [disks, groupedByBus(disks)].map((list) => list.map(({ id }) => id).join(', '));
        return before === after
          ? []
          : [
              warning(
                `The disks are ${before} in their order; the package has those of one bus together: ${after}.`,
                'See that the guest finds its disks by UUID or label, and not by names such as /dev/sdb.',
              ),
            ];
      }),
  },
  {
    id: 'export.guest-os',
    title: 'The package does not say what system the guest runs.',
    severity: 'info',
    basis: "libosinfo's metadata (libosinfo.org) knows its own ids only, such as http://debian.org/debian/12.",
    check: (facts) =>
      ofPackage(facts, ({ kind }) =>
        kind === 'libvirt-xml' && facts.vm.guestOs !== null && libosinfoId(facts.vm.guestOs) === null
          ? [
              info(
                `The guest's system is declared as ${JSON.stringify(facts.vm.guestOs)}, for which libvirt's XML has no word: it is left out.`,
                'Nothing depends on it but hints of virt-manager and its like; they can be told there.',
              ),
            ]
          : [],
      ),
  },
  {
    id: 'export.not-rehearsed',
    title: 'The target runs nothing: the VM is not rehearsed, started or probed there.',
    severity: 'info',
    basis: "What the target's platform declares (boots).",
    check: (facts) =>
      ofPackage(facts, ({ kind }) => [
        info(
          `The target keeps files and runs no VM: nothing is rehearsed or started there. The package (${kind}) is read back and compared instead.`,
          'Try it where it is to run before the source is given up.',
        ),
      ]),
  },
  {
    id: 'export.downtime',
    title: 'A downtime is limited, and the target starts nothing.',
    severity: 'warning',
    basis: "The request's cutover.maxDowntime; downtime ends when a target answers.",
    check: (facts) =>
      ofPackage(facts, () =>
        facts.source.running && facts.request.cutover.maxDowntime !== undefined
          ? [
              warning(
                'The source is stopped for good by the cutover, and nothing is started at the target: maxDowntime limits nothing.',
                'Leave cutover.maxDowntime out.',
              ),
            ]
          : [],
      ),
  },
];

function ofPackage(facts: Facts, check: (plan: PackagePlan) => Found[]): Found[] {
  return facts.package === null ? [] : check(facts.package);
}
