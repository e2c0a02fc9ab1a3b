import { formatBytes, formatCount } from '../model/format.js';
import { busAt, machineAt } from '../model/target.js';
import type { DiskBus } from '../model/vm.js';
import { blocking, warning } from '../model/finding.js';
import { copiedDisks, type Facts, type Rule } from './rule.js';

/** ATA and SCSI count in sectors of this size where nothing else is said. */
const SECTOR_BYTES = 512;

export const diskRules: Rule[] = [
  {
    id: 'disk.bus-unsupported',
    title: 'A disk is on a bus that the target cannot give this machine.',
    severity: 'blocking',
    basis: "The target platform's buses of each machine type.",
    check: (facts) =>
      copiedDisks(facts)
        .filter(({ disk }) => busOf(facts, disk.bus) === null)
        .map(({ disk }) =>
          blocking(
            `Disk ${disk.id} is on the bus ${disk.bus}, which the target cannot give this machine.`,
            `Move the disk to ${buses(facts)} at the source.`,
          ),
        ),
  },
  {
    id: 'disk.too-many',
    title: 'There are more drives on a bus than the target can give.',
    severity: 'blocking',
    basis: "The target platform's most drives of each bus.",
    check: (facts) =>
      [...new Set(copiedDisks(facts).flatMap(({ disk }) => busOf(facts, disk.bus) ?? []))].flatMap((bus) => {
        const most = mostOn(facts, bus);
        const count = copiedDisks(facts).filter(({ disk }) => busOf(facts, disk.bus) === bus).length;
        const drives = count + facts.vm.removable.filter((each) => each.kind === 'cdrom' && each.bus === bus).length;
        if (most === 0 || drives <= most) return [];
        const message = `The VM has ${drives} drives on the bus ${bus}; the target gives it ${most} at most.`;
        return [blocking(message, 'Move some to another bus at the source, or leave disks behind with excludeDisks.')];
      }),
  },
  {
    id: 'disk.too-large',
    title: 'A disk is larger than the format asked for can be at the target.',
    severity: 'blocking',
    basis: "The target platform's largest image of each format.",
    check: (facts) =>
      facts.disks.flatMap(({ id, sizeBytes, format }) => {
        const largest = facts.target.limits.largestDiskBytes[format];
        if (sizeBytes <= largest) return [];
        const message = `Disk ${id} has ${formatBytes(sizeBytes)}; as ${format} the target takes ${formatBytes(largest)}.`;
        return [blocking(message, 'Ask for another diskFormat, or leave it behind with excludeDisks.')];
      }),
  },
  {
    id: 'disk.unaligned',
    title: 'A disk ends in the middle of a sector, or of what the target counts in.',
    severity: 'warning',
    basis: 'ATA and SCSI address whole blocks; QEMU rounds an image up to one (tried with qemu-img 7.2).',
    check: ({ disks, target }) =>
      disks.flatMap(({ id, sizeBytes }) => {
        const unit = Math.max(SECTOR_BYTES, target.limits.diskUnitBytes);
        const over = sizeBytes % unit;
        if (over === 0) return [];
        const message = `Disk ${id} has ${sizeBytes} bytes, no multiple of ${unit}: at the target it is ${unit - over} bytes larger.`;
        return [
          warning(
            message,
            'See that nothing in the guest looks for the end of the disk, such as a second GPT or RAID.',
          ),
        ];
      }),
  },
  {
    id: 'disk.sectors',
    title: 'A disk has sectors of a size that the target does not give.',
    severity: 'blocking',
    basis: 'UEFI 2.10, 5.3: a GPT lies at block 1 and counts in blocks, so other sectors make another table.',
    check: (facts) =>
      copiedDisks(facts).flatMap(({ disk }) => {
        const sector = disk.sectorBytes ?? SECTOR_BYTES;
        const given = facts.target.limits.sectorBytes;
        if (given.includes(sector)) return [];
        const message = `Disk ${disk.id} has sectors of ${sector} bytes; the target gives ${given.join(' or ')}: its partitions would not be found.`;
        return [blocking(message, 'Copy what it holds to a disk with such sectors at the source.')];
      }),
  },
  {
    id: 'disk.not-bootable',
    title: 'The disk that the VM boots from is not among those that are copied.',
    severity: 'warning',
    basis: 'The order of booting among the described disks.',
    check: (facts) => {
      const copied = copiedDisks(facts).map(({ disk }) => disk);
      if (copied.some(({ order }) => order === 0)) return [];
      const message =
        copied.length === 0
          ? 'The VM has no disk: it has nothing to boot from.'
          : `The first disk to boot from stays behind; ${formatCount(copied.length, 'disk')} further back in the order would have to boot.`;
      return [warning(message, 'Take it along, or see that a boot loader is on one that comes.')];
    },
  },
];

/** The bus that a disk gets at the target, or null. */
function busOf({ vm, target: { limits } }: Facts, bus: DiskBus): DiskBus | null {
  return busAt(limits, machineAt(limits, vm), bus);
}

/** How many drives the target gives this machine on a bus; 0 where it has no such bus. */
function mostOn({ vm, target: { limits } }: Facts, bus: DiskBus): number {
  return limits.machines[machineAt(limits, vm)]?.[bus] ?? 0;
}

function buses({ vm, target: { limits } }: Facts): string {
  return Object.keys(limits.machines[machineAt(limits, vm)] ?? {}).join(', ') || 'another bus';
}
