import { VmferryError } from '../../errors.js';
import { stderrOf } from '../../exec/host.js';
import type { PointRequest } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { hardDisks } from './describe-disks.js';
import { diskPath } from './domain.js';
import { imageInfo } from './image-info.js';
import { checkpointXml } from './live-xml.js';
import type { OfflineDisk } from './offline-point.js';
import { namePrefix } from './point-files.js';
import { survey, type Survey } from './survey.js';
import { xml } from '../xml.js';

/** Checkpoints of ours; those of others are never touched. */

const GONE = /checkpoint not found|no domain checkpoint/i;
const BROKEN = /bitmap|checkpoint inconsistent|inactive domain/i;

/**
 * Deletes the checkpoints of a migration but those named in `keep`. Where a bitmap is broken (QEMU was killed), libvirt
 * can only forget the checkpoint; its bitmap is then removed when this is called for the stopped VM.
 */
export async function deleteCheckpoints(
  at: LibvirtConnection,
  vm: string,
  migrationId: string,
  keep: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const uuid = await at.virsh.findUuid(vm, signal);
  if (uuid === null) return;
  const seen = await survey(at, vm, signal, uuid);
  const over = (name: string) => name.startsWith(namePrefix(migrationId)) && !keep.includes(name);
  for (const name of seen.checkpoints.filter(over)) {
    const remove = ['checkpoint-delete', '--domain', seen.uuid, `--checkpointname=${name}`];
    if (seen.instance !== null) {
      try {
        await at.virsh.runOr(GONE, remove, { signal });
        continue;
      } catch (error) {
        if (!BROKEN.test(stderrOf(error))) throw error;
      }
    }
    await at.virsh.runOr(GONE, [...remove, '--metadata'], { signal });
  }
  if (seen.instance === null) await removeBitmaps(at, seen, over, signal);
}

async function removeBitmaps(
  at: LibvirtConnection,
  seen: Survey,
  over: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  for (const element of hardDisks(seen.domain)) {
    if (element.at('driver')?.get('type') !== 'qcow2') continue;
    const path = await diskPath(at, element, signal);
    if (!path?.startsWith('/')) continue;
    const { bitmaps } = await imageInfo(at.host, path, 'qcow2', signal);
    for (const { name } of bitmaps.filter((bitmap) => over(bitmap.name))) {
      await at.host.run('qemu-img', ['bitmap', '--remove', '-f', 'qcow2', '--', path, name], { signal });
    }
  }
}

/**
 * Makes a checkpoint on a stopped VM, which libvirt cannot: bitmaps are added to the images, then libvirt is told of
 * them. Thus a VM that is started again after a cutover was undone goes on being tracked. Returns why there is none.
 */
export async function addOfflineCheckpoint(
  at: LibvirtConnection,
  request: PointRequest,
  seen: Survey,
  name: string,
  disks: readonly OfflineDisk[],
  signal?: AbortSignal,
): Promise<string | null> {
  const foreign = seen.checkpoints.find((each) => !each.startsWith(namePrefix(request.owner.migrationId)));
  if (foreign !== undefined) return `changes are not tracked: the VM has checkpoints of somebody else (${foreign})`;
  const tracked = disks.filter((disk) => disk.image?.tracksChanges);
  if (tracked.length === 0) return null;
  try {
    for (const disk of tracked) {
      await at.host.run('qemu-img', ['bitmap', '--add', '-f', 'qcow2', '--', disk.path, name], { signal });
    }
    const created = xml('creationTime', {}, Math.floor(Date.now() / 1000));
    const ids = new Set(tracked.map((disk) => disk.id));
    const all = hardDisks(seen.domain);
    const input = checkpointXml(name, all, ids, [created, seen.domain]);
    await at.virsh.run(['checkpoint-create', '--domain', seen.uuid, '--xmlfile', '/dev/stdin', '--redefine'], {
      input,
      signal,
    });
    return null;
  } catch (error) {
    if (error instanceof VmferryError && error.code === 'Cancelled') throw error;
    // Copying goes on all the same; only the next point cannot ask what changed since this one.
    return `changes are not tracked from here on: ${error instanceof Error ? error.message : String(error)}`;
  }
}
