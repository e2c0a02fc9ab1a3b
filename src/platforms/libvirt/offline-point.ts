import { VmferryError } from '../../errors.js';
import type { OpenPoint, PointRequest } from '../platform.js';
import { addOfflineCheckpoint } from './checkpoints.js';
import type { LibvirtConnection } from './connect.js';
import { diskIdOf, hardDisks } from './describe-disks.js';
import { diskPath } from './domain.js';
import { endPointsByName } from './end-points.js';
import { imageInfo, type ImageInfo } from './image-info.js';
import { missingDisk } from './live-point.js';
import { connectPoint, LEASE_SECONDS } from './point.js';
import { freeName, isVariant, namePrefix, pointFiles, type PointPlan } from './point-files.js';
import { EXPORT } from './point-scripts.js';
import { WATCH_EXPORTS } from './point-watch.js';
import { runScript } from './run-script.js';
import type { Survey } from './survey.js';

/**
 * A point in time of a stopped VM: its disks as they lie there, exported read-only. The exports hold the images' locks,
 * so that nobody can start the VM while they are read.
 */

export interface OfflineDisk {
  id: string;
  path: string;
  format: 'qcow2' | 'raw';
  image: ImageInfo | null;
}

export async function openOffline(
  at: LibvirtConnection,
  request: PointRequest,
  seen: Survey,
  signal?: AbortSignal,
): Promise<OpenPoint> {
  const disks = await offlineDisks(at, request, seen, signal);
  const standing = await standingOffline(at, seen, request.owner.migrationId, signal);
  const covers = standing?.disks.map((disk) => disk.path).join('\n') === disks.map((disk) => disk.path).join('\n');
  const left = standing && covers && isVariant(standing.name, request.checkpoint) ? standing : null;
  const prefix = namePrefix(request.owner.migrationId);
  const over = [...seen.points.keys()].filter((name) => name.startsWith(prefix) && name !== left?.name);
  await endPointsByName(at, seen.uuid, over, signal);
  const plan = left ?? (await newPlan(at, request, seen, disks, signal));
  await exportDisks(at, plan, disks, signal);
  const facts = { takenAt: new Date().toISOString(), quiesced: true, note: plan.note, continued: left !== null };
  return connectPoint(at, plan, facts, signal);
}

/** The offline point of a migration whose images are as they were when it was opened; null where there is none. */
export async function standingOffline(
  at: LibvirtConnection,
  seen: Survey,
  migrationId: string,
  signal?: AbortSignal,
): Promise<PointPlan | null> {
  if (seen.instance !== null) return null;
  for (const [name, plan] of seen.points) {
    if (plan?.kind !== 'offline' || plan.uuid !== seen.uuid || !name.startsWith(namePrefix(migrationId))) continue;
    const paths = plan.disks.map((disk) => disk.path ?? '');
    if ((await stampOf(at, paths, signal)) === plan.instance) return plan;
  }
  return null;
}

async function offlineDisks(
  at: LibvirtConnection,
  request: PointRequest,
  seen: Survey,
  signal?: AbortSignal,
): Promise<OfflineDisk[]> {
  const elements = new Map(hardDisks(seen.domain).map((each) => [diskIdOf(each), each]));
  return Promise.all(
    request.disks.map(async (id) => {
      const element = elements.get(id);
      if (!element) throw missingDisk(request.vm, id);
      const path = await diskPath(at, element, signal);
      const format = element.at('driver')?.get('type') ?? 'raw';
      if (!path?.startsWith('/') || (format !== 'qcow2' && format !== 'raw')) {
        throw new VmferryError('NotSupported', `cannot read disk ${id} of ${request.vm}: it is no qcow2 or raw file`, {
          platform: 'libvirt',
          remedy: 'Convert it, or leave it behind with excludeDisks.',
        });
      }
      const image = format === 'qcow2' ? await imageInfo(at.host, path, format, signal) : null;
      return { id, path, format, image };
    }),
  );
}

/** Differs as soon as anything was written to any of the images. */
async function stampOf(at: LibvirtConnection, paths: readonly string[], signal?: AbortSignal): Promise<string> {
  const args = ['-L', '-c', '%i %s %y', '--', ...paths];
  return (await at.host.run('stat', args, { signal, okExitCodes: [0, 1] })).stdout.trim();
}

async function newPlan(
  at: LibvirtConnection,
  request: PointRequest,
  seen: Survey,
  disks: readonly OfflineDisk[],
  signal?: AbortSignal,
): Promise<PointPlan> {
  const taken = new Set([
    ...seen.checkpoints,
    ...disks.flatMap((disk) => disk.image?.bitmaps.map((bitmap) => bitmap.name) ?? []),
  ]);
  const name = freeName(request.checkpoint, taken);
  const reasons: string[] = [];
  const plan: PointPlan = {
    version: 1,
    name,
    kind: 'offline',
    uuid: seen.uuid,
    instance: '',
    since: request.since,
    note: null,
    disks: disks.map((disk) => {
      const why = request.since === null ? null : whyUnknown(disk, request.since, seen);
      if (why) reasons.push(`changes of ${disk.id} are unknown: ${why}`);
      return { id: disk.id, bitmap: request.since !== null && !why ? request.since : null, path: disk.path };
    }),
  };
  const problem = await addOfflineCheckpoint(at, request, seen, name, disks, signal);
  if (problem) reasons.push(problem);
  // Making the checkpoint wrote to the images.
  const paths = disks.map((disk) => disk.path);
  return { ...plan, instance: await stampOf(at, paths, signal), note: reasons.join('; ') || null };
}

/**
 * Every checkpoint's bitmap records all changes since it was made, whatever checkpoints came later (libvirt from 6.6
 * on), so the one bitmap is enough.
 */
function whyUnknown(disk: OfflineDisk, since: string, seen: Survey): string | null {
  if (!disk.image) return 'not qcow2';
  const bitmap = disk.image.bitmaps.find((each) => each.name === since);
  if (!seen.checkpoints.includes(since)) return `the checkpoint ${since} is gone`;
  if (!bitmap) return `its image has no bitmap ${since}`;
  return bitmap.inUse ? `its bitmap ${since} was left in use by a QEMU that was killed` : null;
}

async function exportDisks(
  at: LibvirtConnection,
  plan: PointPlan,
  disks: readonly OfflineDisk[],
  signal?: AbortSignal,
): Promise<void> {
  const files = pointFiles(at, plan.name);
  const fours = disks.flatMap((disk) => {
    files.diskSocket(disk.id);
    return [disk.id, disk.format, disk.path, plan.disks.find((each) => each.id === disk.id)?.bitmap ?? ''];
  });
  const args = [files.folder, plan.uuid, JSON.stringify(plan), String(LEASE_SECONDS), WATCH_EXPORTS, ...fours];
  await runScript(at, EXPORT, args, `export the disks of ${plan.name}`, { signal, timeoutMs: 120_000 });
}
