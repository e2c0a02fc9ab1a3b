import { info, warning } from '../model/finding.js';
import { PLATFORM_TOOLS } from '../model/platform-tools.js';
import { quoted, type GuestRule } from './rule.js';

const SOME = 10;

export const guestSystemRules: GuestRule[] = [
  {
    id: 'guest.no-system',
    title: 'No operating system was found on the disks.',
    severity: 'warning',
    basis: 'libguestfs, guestfs(3), INSPECTION.',
    check: ({ guest }) => {
      if (!guest || guest.os !== null) return [];
      const remedy = 'See that all its disks come along; it cannot be converted, only moved as it is.';
      return [warning('No operating system that is known was found on the disks.', remedy)];
    },
  },
  {
    id: 'guest.several-systems',
    title: 'Several operating systems were found on the disks.',
    severity: 'warning',
    basis: "virt-v2v's manual, --root: a conversion is of one system.",
    check: ({ guest }) =>
      guest && guest.systems > 1
        ? [
            warning(
              `The disks hold ${guest.systems} operating systems, of which one is looked at and converted.`,
              'Rehearse, and see that the right one starts.',
            ),
          ]
        : [],
  },
  {
    id: 'guest.other-system',
    title: 'The guest runs a system that is neither Linux nor Windows.',
    severity: 'info',
    basis: "virt-v2v's manual, virt-v2v-support(1): Linux and Windows are converted.",
    check: ({ guest }) =>
      guest?.os?.kind === 'other'
        ? [
            info(
              `The guest runs ${quoted(guest.os.productName ?? guest.os.distribution ?? 'an unknown system')}, which is not converted.`,
              'Leave its devices as they are, and rehearse.',
            ),
          ]
        : [],
  },
  {
    id: 'guest.tools',
    // Files may go to the platform that the tools are of.
    boots: true,
    title: 'The guest has the tools of another platform.',
    severity: 'info',
    basis: 'Their programs in the guest.',
    check: ({ guest }) =>
      (guest?.tools ?? []).map((tool) =>
        info(
          `The guest has the tools of ${PLATFORM_TOOLS[tool].maker}, which do nothing at the target.`,
          'Remove them after the move.',
        ),
      ),
  },
  {
    id: 'guest.no-agent',
    boots: true,
    title: 'The guest has no QEMU guest agent.',
    severity: 'info',
    basis: 'qemu-ga(8), by its program in the guest.',
    check: ({ guest }) =>
      guest?.guestAgent === false
        ? [
            info(
              'The guest has no QEMU guest agent: it is shut down by its power button, frozen not at all, and asked over the network alone.',
              'Install qemu-guest-agent in it.',
            ),
          ]
        : [],
  },
  {
    id: 'guest.nic-names',
    title: 'The guest names its network cards in a way that the target changes.',
    severity: 'warning',
    basis: 'systemd.net-naming-scheme(7): names follow the place of a card on its bus.',
    check: ({ guest }) => {
      const nics = guest?.pinnedNics ?? [];
      if (nics.length === 0) return [];
      const names = nics.slice(0, SOME).map(({ name, mac }) => `${quoted(name)} (${mac})`);
      const message = `The guest's network configuration is for ${names.join(', ')}, names that may be others at the target.`;
      return [
        warning(message, 'Have the guest converted, which holds the names, or name the cards by MAC address in it.'),
      ];
    },
  },
  {
    id: 'guest.not-seen',
    title: 'Something in the guest could not be looked at.',
    severity: 'info',
    basis: 'What reading the disks gave.',
    check: ({ guest }) =>
      (guest?.notSeen ?? [])
        .slice(0, SOME)
        .map((what) => info(`In the guest was not seen: ${quoted(what)}.`, 'Rehearse.')),
  },
];
