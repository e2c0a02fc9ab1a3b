import { blocking, info, warning, type Found } from '../model/finding.js';
import { formatBytes } from '../model/format.js';
import type { InspectedGuest } from '../model/guest.js';
import { quoted, type GuestRule, type Rule } from './rule.js';

const MIB = 2 ** 20;
/** What virt-v2v asks for before it converts (its manual, "FREE SPACE FOR CONVERSION"). */
const ROOM_BYTES: Record<string, number> = { '/': 100 * MIB, '/boot': 50 * MIB };
const ROOM_ELSEWHERE_BYTES = 10 * MIB;
const FREE_INODES = 100;

export const guestDiskRules: GuestRule[] = [
  {
    id: 'guest.space',
    title: 'A file system of the guest has too little room for a conversion.',
    severity: 'warning',
    basis: "virt-v2v's manual, FREE SPACE FOR CONVERSION: 100 MB in /, 50 MB in /boot, 10 MB elsewhere.",
    check: ({ guest }) =>
      mounted(guest).flatMap(({ mountpoint, type, freeBytes }) =>
        tooFull(mountpoint, type, freeBytes, 'Make room in the guest.'),
      ),
  },
  {
    id: 'guest.inodes',
    title: 'A file system of the guest has hardly a free inode left.',
    severity: 'warning',
    basis: "virt-v2v's manual, FREE SPACE FOR CONVERSION: 100 free inodes in each file system.",
    check: ({ guest }) =>
      mounted(guest).flatMap(({ mountpoint, type, freeInodes }) => {
        if (freeInodes === null || freeInodes >= FREE_INODES || READ_ONLY.includes(type)) return [];
        const message = `The guest's ${quoted(mountpoint)} has ${freeInodes} inodes free; a conversion needs ${FREE_INODES}.`;
        return [warning(message, 'Remove files that nobody needs in the guest: many small ones take the inodes.')];
      }),
  },
  {
    id: 'guest.encrypted',
    title: 'Disks of the guest are encrypted, so that what is in them cannot be seen or converted.',
    severity: 'warning',
    basis: 'LUKS and BitLocker headers; the key is not ours.',
    check: ({ guest }) => {
      const found: Found[] = [];
      if (guest?.layouts.includes('luks')) {
        const remedy =
          'See that it starts on the target without a conversion, and that somebody can enter its passphrase.';
        found.push(warning('The guest has disks encrypted with LUKS.', remedy));
      }
      if (guest?.layouts.includes('bitlocker')) {
        const remedy =
          'Suspend BitLocker before the move, and keep its recovery key: another TPM and firmware make it ask.';
        found.push(warning('The guest has disks encrypted with BitLocker.', remedy));
      }
      return found;
    },
  },
  {
    id: 'guest.layout',
    title: 'The guest puts its file systems on LVM, RAID, btrfs or ZFS.',
    severity: 'info',
    basis: 'Such layouts find their disks by what is on them; all members have to come along.',
    check: ({ guest }) => {
      const names = { lvm: 'LVM', raid: 'RAID', btrfs: 'btrfs', zfs: 'ZFS' } as const;
      const found = Object.entries(names).filter(([key]) => guest?.layouts.some((each) => each === key));
      if (found.length === 0) return [];
      const what = found.map(([, name]) => name).join(', ');
      return [info(`The guest's file systems lie on ${what}.`, 'Take all disks along that belong to it.')];
    },
  },
  {
    id: 'guest.dynamic-disks',
    title: "Windows' volumes lie on dynamic disks.",
    severity: 'warning',
    basis: "virt-v2v's manual, WINDOWS: dynamic disks are not supported by it.",
    check: ({ guest }) =>
      guest?.layouts.includes('dynamic-disks')
        ? [warning('The guest has dynamic disks (LDM).', 'Turn them into basic disks before the move, or rehearse.')]
        : [],
  },
  {
    id: 'guest.hibernated',
    title: 'Windows is hibernated, or shuts down by hibernating.',
    severity: 'blocking',
    basis:
      "virt-v2v's manual, WINDOWS FAST STARTUP: a file system that Windows holds in memory must not be written to.",
    check: ({ guest }) => {
      if (guest?.windows?.hibernated) {
        const remedy = 'Start it, and shut it down with `shutdown /s /f /t 0` after `powercfg /h off`.';
        return [blocking('Windows is hibernated: its disks are not whole without its memory.', remedy)];
      }
      if (guest?.windows?.fastStartup !== true) return [];
      return [
        warning('Windows has fast startup: it shuts down by hibernating.', 'Turn it off with `powercfg /h off`.'),
      ];
    },
  },
];

/** Cannot be written to at all, full as they always are. */
const READ_ONLY = ['squashfs', 'iso9660', 'udf', 'erofs'];

/** Of a guest that runs nobody looks into the disks: its agent says the like, of what is mounted, and nothing of inodes. */
export const runningGuestRules: Rule[] = [
  {
    id: 'conversion.space',
    title: 'A file system of the running guest has too little room for its conversion.',
    severity: 'warning',
    basis:
      "QEMU guest agent: guest-get-fsinfo (from QEMU 3.0 on), against virt-v2v's manual, FREE SPACE FOR CONVERSION.",
    boots: true,
    check: ({ seen = null, guest = null, devicesFrom = null, request }) => {
      if (guest !== null || devicesFrom === null || request.conversion === 'none') return [];
      const remedy = 'Make room in the guest before the move, or have it made (prepareGuest.freeSpace).';
      return (seen?.filesystems ?? []).flatMap(({ path, type, freeBytes }) => tooFull(path, type, freeBytes, remedy));
    },
  },
];

/** Whether a file system has too little room for a conversion; not where nothing is known, or nothing is written. */
function tooFull(mountpoint: string, type: string, freeBytes: number | null, remedy: string): Found[] {
  const needed = ROOM_BYTES[mountpoint] ?? ROOM_ELSEWHERE_BYTES;
  if (freeBytes === null || freeBytes >= needed || READ_ONLY.includes(type)) return [];
  const message = `The guest's ${quoted(mountpoint)} has ${formatBytes(freeBytes)} free; a conversion needs ${formatBytes(needed)} there.`;
  return [warning(message, remedy)];
}

function mounted(guest: InspectedGuest | null | undefined) {
  return (guest?.filesystems ?? []).flatMap((each) =>
    each.mountpoint === null ? [] : [{ ...each, mountpoint: each.mountpoint }],
  );
}
