import { Context } from '@temporalio/activity';
import type { DiskProgress } from '../src/model/status.js';
import { VmferryError } from '../src/errors.js';
import type { Owner } from '../src/platforms/platform.js';
import type { ActivityDeps, Site } from './deps.js';
import type { Ref } from './io.js';

const HEARTBEAT_MS = 1_000;

/** The owner that stands in every mark of this migration. */
export function ownerOf(deps: ActivityDeps, ref: Ref): Owner {
  const { info } = Context.current();
  return {
    migrationId: ref.migrationId,
    workflowId: info.workflowExecution?.workflowId ?? '',
    cluster: deps.cluster,
    namespace: info.namespace,
  };
}

/** Aborted when the workflow cancels the activity, or when the server gave it up. */
export function signalOf(): AbortSignal {
  return Context.current().cancellationSignal;
}

/** The two sites of a move. @throws VmferryError `NotSupported` where a platform cannot be that side. */
export function checkSides(
  deps: ActivityDeps,
  names: { source: string; target: string },
): { source: Site; target: Site } {
  const [source, target] = [deps.site(names.source), deps.site(names.target)];
  for (const [site, side, name] of [
    [source, 'source', names.source],
    [target, 'target', names.target],
  ] as const) {
    if (!site.abilities[side]) throw new VmferryError('NotSupported', `cannot use ${name} as a ${side}`, notAble(side));
  }
  return { source, target };
}

function notAble(side: 'source' | 'target'): { remedy: string } {
  return {
    remedy:
      side === 'target'
        ? 'Name a site that takes VMs; of the platform files, one whose `path` is a directory.'
        : 'Name a site that VMs can come from.',
  };
}

/** Which try of the activity this is, from 1. */
export function attemptOf(): number {
  return Context.current().info.attempt;
}

const shown = new WeakMap<Context, () => DiskProgress[]>();

/** From now on the heartbeats of this activity carry what `progress` gives. */
export function showProgress(progress: () => DiskProgress[]): void {
  shown.set(Context.current(), progress);
}

/** Heartbeats every second while `work` runs, whatever it does; called for every activity by the interceptor. */
export async function beating<T>(context: Context, work: () => Promise<T>): Promise<T> {
  const beat = () => context.heartbeat({ disks: shown.get(context)?.() ?? [] });
  beat();
  const timer = setInterval(beat, HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Waits, and ends at once with the signal's reason when cancelled. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new Error('cancelled'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
