import { openNbd, type NbdDevice } from '../../blocks/index.js';
import { VmferryError } from '../../errors.js';
import type { ForwardedSocket } from '../../exec/host.js';
import type { OpenPoint, PointDisk } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { endPointsByName } from './end-points.js';
import { pointFiles, type PointPlan } from './point-files.js';
import { KEEP_ALIVE, WAS_RESET } from './point-scripts.js';
import { runScript } from './run-script.js';

/** How long a point outlives its worker. Longer than a worker's restart, short enough for scratch space. */
export const LEASE_SECONDS = 60;

export interface PointFacts {
  takenAt: string;
  quiesced: boolean;
  note: string | null;
  continued: boolean;
}

/** Connects to the exports of a point that stands at the site. */
export async function connectPoint(
  at: LibvirtConnection,
  plan: PointPlan,
  facts: PointFacts,
  signal?: AbortSignal,
): Promise<OpenPoint> {
  const files = pointFiles(at, plan.name);
  const sockets = new Map<string, ForwardedSocket>();
  const devices: NbdDevice[] = [];
  const detach = async () => {
    await Promise.allSettled(devices.map((device) => device.close()));
    await Promise.allSettled([...sockets.values()].map((socket) => socket.close()));
    devices.length = 0;
    sockets.clear();
  };
  try {
    const disks: PointDisk[] = [];
    for (const disk of plan.disks) {
      const path = plan.kind === 'live' ? files.socket : files.diskSocket(disk.id);
      const socket = sockets.get(path) ?? (await at.host.forwardSocket(path, signal));
      sockets.set(path, socket);
      const reader = await openNbd({
        socketPath: socket.path,
        exportName: disk.id,
        readOnly: true,
        ...(disk.bitmap === null ? {} : { dirtyBitmap: disk.bitmap }),
        ...(signal ? { signal } : {}),
      });
      devices.push(reader);
      disks.push({ id: disk.id, reader, changes: reader.tracksChanges ? 'bitmap' : 'unknown' });
    }
    return {
      checkpoint: plan.name,
      ...facts,
      disks,
      keepAlive: () => keepAlive(at, plan),
      wasReset: async (signal) => plan.kind === 'live' && (await wasReset(at, plan, signal)),
      detach,
      end: async () => {
        await detach();
        await endPointsByName(at, plan.uuid, [plan.name]);
      },
    };
  } catch (error) {
    await detach();
    throw error;
  }
}

async function keepAlive(at: LibvirtConnection, plan: PointPlan): Promise<void> {
  const { folder } = pointFiles(at, plan.name);
  const { stdout, exitCode } = await runScript(at, KEEP_ALIVE, [folder], `keep ${plan.name}`, { okExitCodes: [0, 44] });
  if (exitCode === 0) return;
  const what = `cannot go on reading ${plan.name}: its point in time was ended`;
  if (stdout === 'scratch') {
    throw new VmferryError('NoSpace', `${what}, as ${at.config.scratchDir} ran short of space`, {
      platform: 'libvirt',
      remedy: `Make room in ${at.config.scratchDir} on ${at.host.name}; what was copied is kept.`,
    });
  }
  const why = stdout === 'lease' ? `, as nothing was heard of the worker for ${LEASE_SECONDS} s` : '';
  throw new VmferryError('Unreachable', `${what}${why}`, {
    platform: 'libvirt',
    remedy: 'It goes on with a new point in time.',
  });
}

async function wasReset(at: LibvirtConnection, plan: PointPlan, signal?: AbortSignal): Promise<boolean> {
  const { folder } = pointFiles(at, plan.name);
  const options = { okExitCodes: [0, 44], signal };
  return (await runScript(at, WAS_RESET, [folder], `look at ${plan.name}`, options)).exitCode === 0;
}
