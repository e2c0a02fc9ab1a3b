import { formatBytes } from '../model/format.js';
import { blocking, info, warning, type Found } from '../model/finding.js';
import { allowInAgent, type GuestReadiness, type ServiceState } from '../model/guest-inside.js';
import type { PrepareGuest } from '../request/prepare-guest.js';
import { parseSizeBytes } from '../request/units.js';
import { copiedDisks, quoted, type Facts, type Rule } from './rule.js';

const AGENT_PROTOCOL = 'QEMU Guest Agent Protocol Reference';
const WITHOUT = 'Or leave out what asks for it under prepareGuest.';

export const prepareRules: Rule[] = [
  {
    id: 'prepare.off',
    title: 'The guest shall be prepared, and the VM does not run.',
    severity: 'warning',
    basis: 'Preparation is done by the running guest itself.',
    check: ({ request, source }) =>
      request.prepareGuest && !source.running
        ? [
            warning(
              'The guest shall be prepared, and the VM is off: nothing of it is done.',
              'Start the VM first, or go on without.',
            ),
          ]
        : [],
  },
  {
    id: 'prepare.agent-missing',
    title: 'The guest shall be prepared, and no agent answers in it.',
    severity: 'blocking',
    basis: `${AGENT_PROTOCOL}: guest-info.`,
    check: asked(({ agent }) =>
      agent === null
        ? [
            blocking(
              'The guest shall be prepared, and no agent answers in it.',
              `Install and start the QEMU guest agent. ${WITHOUT}`,
            ),
          ]
        : [],
    ),
  },
  {
    id: 'prepare.agent-blocks',
    title: "The guest's agent does not allow what its preparation needs.",
    severity: 'blocking',
    basis: `${AGENT_PROTOCOL}: guest-info tells which commands are enabled; distributions block some, guest-exec first of all.`,
    check: asked(({ agent }, wanted) => {
      if (!agent) return [];
      const blocked = [
        ...(needsPrograms(wanted) && !agent.mayExec ? ['guest-exec', 'guest-exec-status'] : []),
        ...(wanted.trim && !agent.mayTrim ? ['guest-fstrim'] : []),
        ...(wanted.minFree !== undefined && !agent.mayLook ? ['guest-get-fsinfo'] : []),
      ];
      if (blocked.length === 0) return [];
      return [
        blocking(
          `The guest's agent does not allow ${blocked.join(', ')}, which its preparation needs.`,
          `${allowInAgent(blocked.join(', '))} ${WITHOUT}`,
        ),
      ];
    }),
  },
  {
    id: 'prepare.windows',
    title: 'A guest of Windows shall be prepared by more than trimming.',
    severity: 'blocking',
    basis: `Scripts for Linux do it; the agent names the guest (${AGENT_PROTOCOL}: guest-get-osinfo, mswindows).`,
    check: asked(({ agent }, wanted) =>
      agent?.os === 'mswindows' && needsPrograms(wanted)
        ? [
            blocking(
              'Services, space, initramfs and commands around points in time are prepared in Linux only, and this guest is Windows.',
              `Do it by hand in the guest. ${WITHOUT}`,
            ),
          ]
        : [],
    ),
  },
  {
    id: 'prepare.service-unknown',
    title: 'A service shall be stopped that the guest does not have.',
    severity: 'blocking',
    basis: 'The manager of services in the guest was asked (systemd, OpenRC, or scripts in /etc/init.d).',
    check: asked(({ services }) =>
      named(services, 'unknown').map((name) =>
        blocking(
          `The guest has no service ${quoted(name)}, which shall be stopped.`,
          'Correct its name under prepareGuest.stopServices.',
        ),
      ),
    ),
  },
  {
    id: 'prepare.service-unclear',
    title: 'The guest does not say whether a service runs that shall be stopped.',
    severity: 'warning',
    basis: 'LSB core, Init Script Actions: the status of a script that is 4 or more says nothing.',
    check: asked(({ services }) =>
      named(services, 'unclear').map((name) =>
        warning(
          `The guest does not say whether its service ${quoted(name)} runs: the cutover would wait for a human.`,
          'See what its manager says of it in the guest.',
        ),
      ),
    ),
  },
  {
    id: 'prepare.service-off',
    title: 'A service shall be stopped that does not run.',
    severity: 'info',
    basis: 'The manager of services in the guest was asked (systemd, OpenRC, or scripts in /etc/init.d).',
    check: asked(({ services }) =>
      named(services, 'inactive').map((name) =>
        info(
          `The service ${quoted(name)}, which shall be stopped, does not run now.`,
          'Nothing: it is not started on the way back either, unless it runs by then.',
        ),
      ),
    ),
  },
  {
    id: 'prepare.no-initramfs',
    title: "Virtio shall be built into the guest's initramfs, and nothing is there to build it with, or for.",
    severity: 'blocking',
    basis: 'It was looked in the guest for initramfs-tools(7), dracut(8), and what they name in /boot.',
    check: asked(({ initramfs }, { virtioInInitramfs }) => {
      if (!virtioInInitramfs || initramfs === null) return [];
      const { builder, images } = initramfs;
      const why =
        builder === null
          ? 'the guest has neither initramfs-tools nor dracut'
          : `no initramfs that ${builder} builds was found in its /boot`;
      if (builder !== null && images.length > 0) return [];
      return [
        blocking(
          `Virtio shall be built into the initramfs, and ${why}.`,
          `Add virtio_pci and virtio_blk to it by hand (mkinitcpio.conf, mkinitfs.conf), and leave out prepareGuest.virtioInInitramfs.`,
        ),
      ];
    }),
  },
  {
    id: 'prepare.space-low',
    title: "There is less room on the guest's root file system than is asked for.",
    severity: 'blocking',
    basis: `${AGENT_PROTOCOL}: guest-get-fsinfo, total-bytes and used-bytes (from QEMU 3.0 on).`,
    check: asked(({ agent, rootFreeBytes }, { minFree, freeSpace }) => {
      if (minFree === undefined || !agent?.mayLook) return [];
      if (rootFreeBytes === null)
        return [
          warning(
            'The agent does not say how much room there is on the root file system of the guest.',
            'Have a newer agent, or leave out prepareGuest.minFree.',
          ),
        ];
      if (rootFreeBytes >= parseSizeBytes(minFree)!) return [];
      const what = `The root file system of the guest has ${formatBytes(rootFreeBytes)} free, and ${minFree} are asked for.`;
      return freeSpace.length > 0
        ? [warning(what, 'If freeing space does not help, the migration waits for a human before the first pass.')]
        : [blocking(what, 'Make room in the guest, or ask for less in prepareGuest.minFree.')];
    }),
  },
  {
    id: 'prepare.trim-idle',
    title: 'The guest shall trim, and no disk that is copied passes that on.',
    severity: 'warning',
    basis: 'libvirt.org/formatdomain.html, driver: discard is ignored unless it is "unmap".',
    check: (facts) => {
      const disks = copiedDisks(facts).map(({ disk }) => disk);
      if (!facts.request.prepareGuest?.trim || !facts.source.running || disks.some(({ discard }) => discard)) return [];
      return [
        warning(
          'The guest shall trim its file systems, and none of the disks that are copied passes that on: blocks that it freed are copied all the same.',
          "Set discard='unmap' on the disks at the source and start the VM anew, or leave out prepareGuest.trim.",
        ),
      ];
    },
  },
];

function asked(judge: (guest: GuestReadiness, wanted: PrepareGuest) => Found[]): Rule['check'] {
  return ({ request: { prepareGuest }, readiness }: Facts) =>
    prepareGuest && readiness ? judge(readiness, prepareGuest) : [];
}

function needsPrograms(wanted: PrepareGuest): boolean {
  const { stopServices, freeSpace, virtioInInitramfs, beforePoint, afterPoint } = wanted;
  return virtioInInitramfs || [stopServices, freeSpace, beforePoint, afterPoint].some((list) => list.length > 0);
}

function named(services: GuestReadiness['services'], state: ServiceState): string[] {
  return Object.entries(services ?? {}).flatMap(([name, found]) => (found === state ? [name] : []));
}
