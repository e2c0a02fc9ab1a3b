import { z } from 'zod';
import { VmferryError } from '../../errors.js';
import type { LibvirtConnection } from './connect.js';

/**
 * What a point in time leaves at the site. Its name, `vmferry-<migration>-<n>` or that with a suffix `.k`, stands in
 * every file and in the socket's path, which libvirt shows with the job: that is how a job is known to be ours.
 */

/** What is in `plan.json` of a point's folder. */
export const pointPlan = z.object({
  version: z.literal(1),
  name: z.string(),
  kind: z.enum(['live', 'offline']),
  uuid: z.string(),
  /** The VM's run for a live point; for an offline one, inode, size and times of every image. */
  instance: z.string(),
  since: z.string().nullable(),
  note: z.string().nullable(),
  disks: z.array(
    z.object({
      id: z.string(),
      /** Name of the exported dirty bitmap; null where what changed is unknown. */
      bitmap: z.string().nullable(),
      /** Image of an offline point. */
      path: z.string().nullable(),
    }),
  ),
});
export type PointPlan = z.infer<typeof pointPlan>;

export interface PointFiles {
  folder: string;
  plan: string;
  /** Folder of a live point that is QEMU's: it makes the socket itself. */
  scratchFolder: string;
  /** NBD socket of a live point. */
  socket: string;
  scratch(disk: string): string;
  /** NBD socket of one disk of an offline point. */
  diskSocket(disk: string): string;
}

const SOCKET = '/nbd.sock';
const NAME = /^vmferry-[0-9a-f]{12}-\d+(-\d+)?(\.\d+)?$/;
/** sun_path of unix(7), less its final zero. */
const SOCKET_PATH_BYTES = 107;

export function pointsFolder(at: LibvirtConnection): string {
  return `${at.config.stateDir}/points`;
}

export function pointFiles(at: LibvirtConnection, name: string): PointFiles {
  if (!NAME.test(name)) {
    throw new VmferryError('Internal', `cannot name a point in time ${JSON.stringify(name)}`, { platform: 'libvirt' });
  }
  const folder = `${pointsFolder(at)}/${name}`;
  return {
    folder,
    plan: `${folder}/plan.json`,
    scratchFolder: `${at.config.scratchDir}/${name}`,
    socket: socketPath(`${at.config.scratchDir}/${name}${SOCKET}`, 'scratchDir'),
    scratch: (disk) => `${at.config.scratchDir}/${name}/${disk}.scratch`,
    diskSocket: (disk) => socketPath(`${folder}/${disk}.sock`, 'stateDir'),
  };
}

function socketPath(path: string, setting: string): string {
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES) return path;
  throw new VmferryError(
    'InvalidConfig',
    `cannot use the socket ${path}: it is longer than ${SOCKET_PATH_BYTES} bytes`,
    {
      platform: 'libvirt',
      remedy: `Set a shorter ${setting} for this site.`,
    },
  );
}

/** The names that a migration's points and checkpoints begin with. */
export function namePrefix(migrationId: string): string {
  return `vmferry-${migrationId}-`;
}

/** Whether `name` is `checkpoint`, or what it was called where that name had been used. */
export function isVariant(name: string, checkpoint: string): boolean {
  return name === checkpoint || (name.startsWith(`${checkpoint}.`) && /^\d+$/.test(name.slice(checkpoint.length + 1)));
}

/** `checkpoint`, or the first `checkpoint.k` that is not taken. */
export function freeName(checkpoint: string, taken: ReadonlySet<string>): string {
  if (!taken.has(checkpoint)) return checkpoint;
  for (let k = 1; ; k++) if (!taken.has(`${checkpoint}.${k}`)) return `${checkpoint}.${k}`;
}

/** The point's name that a socket of a backup job stands for, or null where it is not one of vmferry's at this site. */
export function pointOfSocket(at: LibvirtConnection, socket: string | null): string | null {
  const folder = `${at.config.scratchDir}/`;
  if (!socket?.startsWith(folder) || !socket.endsWith(SOCKET)) return null;
  const name = socket.slice(folder.length, -SOCKET.length);
  return NAME.test(name) ? name : null;
}
