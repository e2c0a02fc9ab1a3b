import { VmferryError } from '../../errors.js';
import type { OpenPoint, PointRequest } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { endPointsByName } from './end-points.js';
import { attachLive, beginLive } from './live-point.js';
import { openOffline, standingOffline } from './offline-point.js';
import { isVariant, namePrefix, type PointPlan } from './point-files.js';
import { survey, type Survey } from './survey.js';

/**
 * Opens a point in time: the one that an earlier try of the same pass left, where it still stands; else a new one. A name
 * whose point is over is never used again, since blocks may have been copied from it: the new one has a suffix.
 */
export async function openPoint(
  at: LibvirtConnection,
  request: PointRequest,
  signal?: AbortSignal,
): Promise<OpenPoint> {
  for (let tries = 0; tries < 3; tries++) {
    const seen = await survey(at, request.vm, signal);
    const left = standing(seen, request);
    if (seen.job && !seen.job.point?.startsWith(namePrefix(request.owner.migrationId))) throw foreignJob(request.vm);
    const others = ownPoints(seen, request.owner.migrationId).filter((name) => name !== left?.name);
    if (others.length > 0) await endPointsByName(at, seen.uuid, others, signal);
    if (seen.instance === null) return openOffline(at, request, seen, signal);
    const point = left ? await attachLive(at, left, signal) : await beginLive(at, request, seen, signal);
    if (point) return point;
    // The watchdog is ending what stood, or another try was quicker: look again.
    if (left) await endPointsByName(at, seen.uuid, [left.name], signal);
  }
  throw new VmferryError('Timeout', `cannot open a point in time of ${request.vm}: it is ended again and again`, {
    platform: 'libvirt',
    remedy: 'See whether another worker is at the same pass, and whether scratch space is short.',
  });
}

/** The name of the point that a migration has open and could open again, or null. */
export async function currentPoint(
  at: LibvirtConnection,
  vm: string,
  migrationId: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const seen = await survey(at, vm, signal);
  const name = seen.job?.point;
  if (seen.instance === null) return (await standingOffline(at, seen, migrationId, signal))?.name ?? null;
  if (!name?.startsWith(namePrefix(migrationId))) return null;
  return seen.points.get(name)?.instance === seen.instance ? name : null;
}

/** The live point of this request that still runs and can be gone on with. */
function standing(seen: Survey, request: PointRequest): PointPlan | null {
  const name = seen.job?.point;
  if (!name || !isVariant(name, request.checkpoint)) return null;
  const plan = seen.points.get(name);
  if (!plan || plan.kind !== 'live' || plan.instance !== seen.instance) return null;
  const has = new Set(plan.disks.map((disk) => disk.id));
  if (!request.disks.every((id) => has.has(id))) return null;
  const sameSince =
    plan.since === request.since || (request.since !== null && isVariant(request.since, request.checkpoint));
  return sameSince ? plan : null;
}

/** Every point of this migration at the site, whatever is left of it. An offline one that fits is dealt with later. */
function ownPoints(seen: Survey, migrationId: string): string[] {
  const names = new Set(seen.points.keys());
  if (seen.job?.point) names.add(seen.job.point);
  const prefix = namePrefix(migrationId);
  const offline = (name: string) => seen.instance === null && seen.points.get(name)?.kind === 'offline';
  return [...names].filter((name) => name.startsWith(prefix) && !offline(name));
}

function foreignJob(vm: string): VmferryError {
  return new VmferryError('Conflict', `cannot take a point in time of ${vm}: a backup job of somebody else runs`, {
    platform: 'libvirt',
    remedy: `Wait for it or end it: \`virsh domjobinfo ${vm}\` and \`virsh backup-dumpxml ${vm}\` show it.`,
  });
}
