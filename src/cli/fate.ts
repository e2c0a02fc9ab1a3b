import { WorkflowNotFoundError } from '@temporalio/client';
import { explain, VmferryError } from '../errors.js';
import type { Owner } from '../platforms/platform.js';
import { explained, type ConnectedClient } from '../temporal.js';
import type { Context } from './context.js';
import { migrationOf } from './find.js';

/**
 * How the workflow of a migration stands: it `runs`; it is `over` (ended, terminated, or not known any more to the cluster
 * that it ran in); it is `foreign` (of another cluster or namespace than the one asked); or nobody can say (`unknown`).
 */
export interface Fate {
  state: 'runs' | 'over' | 'foreign' | 'unknown';
  /** In words, as a reason. */
  text: string;
}

/** Asks Temporal how workflows stand. */
export interface Temporal {
  fateOf(owner: Owner): Promise<Fate>;
  /** Why it cannot be asked at all, or null. */
  readonly trouble: string | null;
  /** Why it could not say how some workflow stands, or null; of the last one that was asked for. */
  readonly unsure: string | null;
  close(): Promise<void>;
}

/** Never throws: a Temporal that cannot be asked gives `unknown` for all. */
export async function askTemporal(context: Context): Promise<Temporal> {
  let connected: ConnectedClient | null = null;
  try {
    connected = await context.connect();
    const { client, settings } = connected;
    const info = await client.connection.workflowService.getClusterInfo({});
    const cluster = info.clusterId || settings.address;
    const asked = {
      trouble: null,
      unsure: null as string | null,
      close: () => connected!.close(),
      fateOf: async (owner: Owner) => {
        const fate = await fateOf(connected!, cluster, owner);
        if (fate.state === 'unknown') asked.unsure = fate.text;
        return fate;
      },
    };
    return asked;
  } catch (error) {
    await connected?.close().catch(() => undefined);
    const trouble = explain(error);
    const unknown: Fate = { state: 'unknown', text: 'Temporal cannot be asked whether its workflow runs' };
    return { trouble, unsure: null, close: () => Promise.resolve(), fateOf: () => Promise.resolve(unknown) };
  }
}

async function fateOf({ client, settings }: ConnectedClient, cluster: string, owner: Owner): Promise<Fate> {
  if (owner.cluster !== cluster)
    return { state: 'foreign', text: `it belongs to another Temporal cluster (${owner.cluster})` };
  if (owner.namespace !== settings.namespace)
    return { state: 'foreign', text: `it belongs to the namespace "${owner.namespace}", not "${settings.namespace}"` };
  const { workflowId } = owner;
  try {
    const info = await client.workflow.getHandle(workflowId).describe();
    const same = migrationOf(info, owner.namespace) === owner.migrationId;
    const state = info.status.name;
    if (state === 'RUNNING' && same) return { state: 'runs', text: `its workflow ${workflowId} runs` };
    const how = same ? state.toLowerCase().replaceAll('_', ' ') : 'ended, and started anew since';
    return { state: 'over', text: `its workflow ${workflowId} is ${how}` };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      return { state: 'over', text: `Temporal knows no workflow ${workflowId} any more` };
    return {
      state: 'unknown',
      text: `Temporal cannot be asked whether its workflow runs: ${explain(explained(error))}`,
    };
  }
}

/** @throws VmferryError `Unsafe` while the workflow runs, or where nobody can say that it does not. */
export function mustBeOver(
  what: string,
  fate: Fate | null,
  { workflowGone, running }: { workflowGone: boolean; running: string },
): void {
  if (fate?.state === 'over') return;
  const why = fate?.text ?? 'nothing says which workflow it had';
  if (fate?.state === 'runs') throw new VmferryError('Unsafe', `cannot ${what}: ${why}`, { remedy: running });
  if (workflowGone) return;
  throw new VmferryError('Unsafe', `cannot ${what}: ${why}`, {
    remedy: 'If you know that no Temporal server runs it any more, as its database is lost: --workflow-gone',
  });
}
