import { formatBytes } from '../model/format.js';
import type { PackageKind } from '../model/package.js';
import type { AskedStorage } from '../model/target.js';
import { blocking, warning } from '../model/finding.js';
import { copiedDisks, quoted, type Facts, type Rule } from './rule.js';

/** Room beside the disks: metadata of images, manifests, and layers of a few passes. */
export const OVERHEAD = 1.05;
/** How often the disks lie there while a package is written: the replica, its images, and the archive made of them. */
export const COPIES: Record<PackageKind, number> = { ova: 3, ovf: 2, 'libvirt-xml': 2, images: 2 };

export const storageRules: Rule[] = [
  {
    id: 'storage.missing',
    title: 'A storage that disks shall go to cannot be used.',
    severity: 'blocking',
    basis: 'The site was asked for its free room.',
    check: (facts) =>
      wantedStorages(facts).flatMap((storage) => {
        const asked = answerOf(facts, storage);
        if (asked && 'path' in asked) return [];
        const why = asked?.problem ?? 'the site says nothing of it';
        const known = facts.target.storages.map(({ name }) => name).join(', ') || 'none';
        const remedy = `Name another one under storage in the request. Pools and directories there: ${known}.`;
        const name = asked?.name ?? storage ?? 'of the site';
        return [blocking(`The storage ${quoted(name)} cannot be used: ${why.replace(/[.\s]*$/, '.')}`, remedy)];
      }),
  },
  {
    id: 'storage.space',
    title: 'What the disks hold now does not fit into the storage.',
    severity: 'blocking',
    basis:
      'Free room of the site, against what the images take at the source and 5 % for manifests and layers; a package beside the replica as much again, an OVA twice.',
    check: (facts) =>
      places(facts).flatMap((place) =>
        place.freeBytes < place.nowBytes ? [blocking(needs(place), 'Make room, or name another storage.')] : [],
      ),
  },
  {
    id: 'storage.overcommitted',
    title: 'The disks fit into the storage now, and will not when the guest fills them.',
    severity: 'warning',
    basis: 'Free room of the site, against the sizes of the disks and 5 %.',
    check: (facts) =>
      places(facts).flatMap((place) =>
        place.freeBytes >= place.nowBytes && place.freeBytes < place.fullBytes
          ? [warning(needs(place), 'Make room, or name another storage.')]
          : [],
      ),
  },
];

interface Place {
  name: string;
  freeBytes: number;
  nowBytes: number;
  fullBytes: number;
}

/** What is wanted of each place that can be used; two names of one place are one. */
function places(facts: Facts): Place[] {
  const found = new Map<string, Place>();
  for (const { disk, planned } of copiedDisks(facts)) {
    const asked = answerOf(facts, planned.storage);
    if (!asked || !('path' in asked)) continue;
    const { path, name, freeBytes } = asked;
    const place = found.get(path) ?? { name, freeBytes, nowBytes: 0, fullBytes: 0 };
    const copies = facts.package === null ? 1 : COPIES[facts.package.kind];
    place.nowBytes += (disk.allocatedBytes ?? planned.sizeBytes) * OVERHEAD * copies;
    place.fullBytes += planned.sizeBytes * OVERHEAD * copies;
    found.set(path, place);
  }
  return [...found.values()];
}

function wantedStorages({ disks }: Facts): (string | null)[] {
  return [...new Set(disks.map(({ storage }) => storage))];
}

function answerOf({ target }: Facts, storage: string | null): AskedStorage | undefined {
  return target.askedStorages.find(({ asked }) => asked === storage);
}

function needs({ name, freeBytes, nowBytes, fullBytes }: Place): string {
  const [now, full, free] = [nowBytes, fullBytes, freeBytes].map(formatBytes);
  return `The disks need ${now} now and up to ${full}; ${quoted(name)} has ${free} free.`;
}
