import { formatBytes, formatDuration } from '../model/format.js';
import type { VmDisk } from '../model/vm.js';
import type { CopyRate } from '../model/estimate.js';
import { blocking, warning } from '../model/finding.js';
import { parseDurationMs } from '../request/units.js';
import { copiedDisks, type Facts, type Rule } from './rule.js';

/** What can be done so that changes of an image are tracked, by its format. */
const CURES: Record<string, string> = {
  raw: 'Convert it to qcow2 at the source.',
  qcow2: 'Amend it while the VM is off: `qemu-img amend -o compat=1.1`; with data in a file of its own, convert it.',
};

export const trackingRules: Rule[] = [
  {
    id: 'disk.no-tracking',
    title:
      'The source cannot say what changes on a disk of a running VM: the final pass reads all of it. With the time.',
    severity: 'warning',
    basis: 'Without a bitmap every pass compares whole disks (qemu.org, dirty bitmaps: qcow2 of version 3 only).',
    check: (facts) =>
      untracked(facts)
        .filter((disk) => !disk.changeTracking)
        .map((disk) => {
          const able = facts.source.abilities.changeTracking;
          const why = able
            ? `the source cannot say what changes on it (${disk.format})`
            : 'its platform cannot say what changes';
          const cure = able ? (CURES[disk.format] ?? 'Have its changes tracked at the source.') : '';
          return warning(
            `Disk ${disk.id}: ${why}: every pass reads and compares it whole, the last one while the VM is off. ${timeOf(facts, [disk])}`,
            `${cure} Or accept the downtime.`.trim(),
          );
        }),
  },
  {
    id: 'disk.tracking-unproven',
    title: 'Changes of a disk are said to be tracked, and the platform that reads it cannot ask for them.',
    severity: 'warning',
    basis: "The description of the disk against what the source's platform declares.",
    check: (facts) =>
      untracked(facts)
        .filter((disk) => disk.changeTracking)
        .map((disk) =>
          warning(
            `Disk ${disk.id}: its changes are tracked, it says, but this site cannot be asked for them: every pass reads and compares it whole, the last one while the VM is off. ${timeOf(facts, [disk])}`,
            'Name the site in a way that can, or accept the downtime.',
          ),
        ),
  },
  {
    id: 'cutover.too-long',
    title: 'Reading whole disks while the VM is off takes longer than the downtime that is allowed.',
    severity: 'warning',
    basis: 'Sizes of untracked disks at the rate that is reckoned with, against cutover.maxDowntime.',
    check: (facts) => {
      const { maxDowntime } = facts.request.cutover;
      const allowedMs = maxDowntime === undefined ? null : parseDurationMs(maxDowntime);
      const disks = untracked(facts);
      if (allowedMs === null || msAt(facts.rate, sizeOf(disks)) <= allowedMs) return [];
      const names = disks.map(({ id }) => id).join(', ');
      return [
        warning(
          `The final pass reads ${names} whole while the VM is off. ${timeOf(facts, disks)} No more than ${maxDowntime} are allowed: a cutover predicted above that is refused.`,
          'Have changes tracked, raise sync.bandwidth or cutover.maxDowntime, or move the VM while it is off.',
        ),
      ];
    },
  },
  {
    id: 'quiesce.impossible',
    title: "The guest's file systems shall be frozen for each point in time, and the source's platform cannot.",
    severity: 'blocking',
    basis: "The request's sync.quiesce against what the source's platform declares.",
    check: ({ source, request }) =>
      source.running && request.sync.quiesce === 'required' && !source.abilities.quiesce
        ? [
            blocking(
              'File systems shall be frozen (sync.quiesce is "required"), and the source cannot do that.',
              'Ask for "auto": points in time are then as after a power cut, but the final pass, with the VM off, is whole.',
            ),
          ]
        : [],
  },
];

/** Disks that are copied while the VM runs, and of which nobody says what changes. */
export function untracked(facts: Facts): VmDisk[] {
  if (!facts.source.running) return [];
  const { changeTracking } = facts.source.abilities;
  return copiedDisks(facts)
    .map(({ disk }) => disk)
    .filter((disk) => !changeTracking || !disk.changeTracking);
}

/** What copying `bytes` takes at `rate`. */
export function msAt({ bytesPerSecond }: CopyRate, bytes: number): number {
  return (bytes / bytesPerSecond) * 1000;
}

function sizeOf(disks: readonly VmDisk[]): number {
  return disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
}

function timeOf({ rate }: Facts, disks: readonly VmDisk[]): string {
  const bytes = sizeOf(disks);
  return `That is downtime: ${formatBytes(bytes)} at ${rate.words} take about ${formatDuration(msAt(rate, bytes))}.`;
}
