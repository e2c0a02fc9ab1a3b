import { createHash } from 'node:crypto';
import {
  ServiceError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowExecutionInfo,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { VmferryError } from '../errors.js';
import { migrationIdOf } from '../../workflows/migration-id.js';
import type { ConnectedClient } from '../temporal.js';

export const WORKFLOW_TYPE = 'migrateVm';
export const FLEET_TYPE = 'assessFleet';
type WorkflowType = typeof WORKFLOW_TYPE | typeof FLEET_TYPE;
const MIGRATIONS_ONLY = [WORKFLOW_TYPE] as const;
/** What `list`, `status`, `watch` and `report` know. */
export const ALL_TYPES = [WORKFLOW_TYPE, FLEET_TYPE] as const;
/** Migrations that are looked through for a name or an id; beyond that, the workflow's id has to be given. */
const LOOKED_THROUGH = 1000;
const PAGE = 200;

/** A migration, or an assessment of many VMs, as Temporal knows it. */
export interface Found {
  type: WorkflowType;
  workflowId: string;
  /** The latest run. */
  runId: string;
  /** 12 hex digits; of an assessment, too. */
  migrationId: string;
  running: boolean;
  /** Temporal's word for how the run stands: `RUNNING`, `COMPLETED`, `TERMINATED`, … */
  state: string;
  startedAt: Date;
  closedAt: Date | null;
  /** From the search attributes; empty where they are not set, as the VM's of an assessment of many. */
  vm: string;
  source: string;
  target: string;
  phase: string;
  /** It only assesses: started as such by the command line, or ended with nothing but that. */
  dryRun: boolean;
}

const MIGRATIONS = 'migrate-';
const DRY_RUNS = 'assess-';

/**
 * The workflow's id for a VM of a source: `migrate-<source>-<vm>`, so that a second start is refused while one runs. A
 * name that had to be changed carries a digest, so that two names never give one id.
 */
export function workflowIdFor(source: string, vm: string): string {
  return `${MIGRATIONS}${idPartOf(source, vm)}`;
}

/** The workflow's id for a dry run, which goes on beside a migration of the same VM: `assess-<source>-<vm>`. */
export function dryRunIdFor(source: string, vm: string): string {
  return `${DRY_RUNS}${idPartOf(source, vm)}`;
}

function idPartOf(source: string, vm: string): string {
  const plain = vm.replace(/[^A-Za-z0-9._-]+/g, '_');
  const mark = plain === vm ? '' : `-${createHash('sha256').update(vm).digest('hex').slice(0, 8)}`;
  return `${source}-${plain}${mark}`;
}

/**
 * The migration that a person means: a workflow's id, a VM's name (the running one first, then the latest; dry runs only
 * where there is nothing else), or a migration's id.
 * @param types what may be meant. Default migrations only.
 * @throws VmferryError `NotFound`; `InvalidRequest` when a name fits several running ones.
 */
export async function findMigration(
  { client, settings }: ConnectedClient,
  name: string,
  types: readonly WorkflowType[] = MIGRATIONS_ONLY,
): Promise<Found> {
  const byId = await describe(client, settings.namespace, name, types);
  if (byId) return byId;
  const ofVm = await byVm(client, settings.namespace, name);
  const moves = ofVm.filter((each) => !each.dryRun);
  const named = moves.length > 0 ? moves : ofVm;
  const running = named.filter((each) => each.running);
  if (running.length > 1) {
    throw new VmferryError('InvalidRequest', `cannot tell which migration of "${name}" is meant: several run`, {
      remedy: `Give one of these instead: ${running.map((each) => each.workflowId).join(', ')}.`,
    });
  }
  const best = running[0] ?? named[0];
  if (best) return best;
  const all = await listMigrations(client, settings.namespace, null, LOOKED_THROUGH, types);
  const byMigration = all.find((each) => each.migrationId === name);
  if (byMigration) return byMigration;
  // One that no worker has taken up yet has no search attributes; the command line gave it its id.
  const fresh = all.find((each) => each.vm === '' && each.running && isIdOf(each.workflowId, name));
  if (fresh) return fresh;
  throw new VmferryError('NotFound', `there is no migration "${name}" in namespace ${settings.namespace}`, {
    remedy: '`vmferry list --all` shows those that there are.',
  });
}

/** Whether a workflow's id is the one that some source's VM of that name gets. */
function isIdOf(workflowId: string, vm: string): boolean {
  return workflowId.startsWith(MIGRATIONS) && workflowId.endsWith(idPartOf('', vm));
}

/** Migrations, the latest first. @param filter a further condition of Temporal's list filter. */
export async function listMigrations(
  client: Client,
  namespace: string,
  filter: string | null,
  most: number,
  types: readonly WorkflowType[] = MIGRATIONS_ONLY,
): Promise<Found[]> {
  const query = `WorkflowType IN (${types.map(quoted).join(', ')})${filter ? ` AND ${filter}` : ''}`;
  const all: Found[] = [];
  for await (const each of client.workflow.list({ query, pageSize: Math.min(most, PAGE) })) {
    // Runs that went on in a new one are the same migration.
    if (each.status.name !== 'CONTINUED_AS_NEW') all.push(foundFrom(each, namespace, each.raw.firstRunId));
    if (all.length >= most) break;
  }
  return all;
}

const KEYS = {
  vm: defineSearchAttributeKey('VmferryVm', SearchAttributeType.KEYWORD),
  source: defineSearchAttributeKey('VmferrySource', SearchAttributeType.KEYWORD),
  target: defineSearchAttributeKey('VmferryTarget', SearchAttributeType.KEYWORD),
  phase: defineSearchAttributeKey('VmferryPhase', SearchAttributeType.KEYWORD),
};

function foundFrom(
  info: WorkflowExecutionInfo | WorkflowExecutionDescription,
  namespace: string,
  firstRunId: string | null | undefined,
): Found {
  const { type, workflowId, runId, status, typedSearchAttributes: attributes } = info;
  const phase = attributes.get(KEYS.phase) ?? '';
  // A migration leaves this phase before it ends, however it ends.
  const onlyAssessed = status.name === 'COMPLETED' && phase === 'assessing';
  return {
    type: type === FLEET_TYPE ? FLEET_TYPE : WORKFLOW_TYPE,
    workflowId,
    runId,
    migrationId: migrationIdOf(namespace, workflowId, firstRunId || runId),
    running: status.name === 'RUNNING',
    state: status.name,
    startedAt: info.startTime,
    closedAt: info.closeTime ?? null,
    vm: attributes.get(KEYS.vm) ?? '',
    source: attributes.get(KEYS.source) ?? '',
    target: attributes.get(KEYS.target) ?? '',
    phase,
    dryRun: workflowId.startsWith(DRY_RUNS) || onlyAssessed,
  };
}

/** The migration's id of the latest run of a workflow. */
export function migrationOf({ workflowId, runId, raw }: WorkflowExecutionDescription, namespace: string): string {
  return migrationIdOf(namespace, workflowId, raw.workflowExecutionInfo?.firstRunId || runId);
}

async function describe(
  client: Client,
  namespace: string,
  workflowId: string,
  types: readonly string[],
): Promise<Found | null> {
  try {
    const info = await client.workflow.getHandle(workflowId).describe();
    if (!types.includes(info.type)) return null;
    return foundFrom(info, namespace, info.raw.workflowExecutionInfo?.firstRunId);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

async function byVm(client: Client, namespace: string, vm: string): Promise<Found[]> {
  try {
    // All of them: a VM may have been assessed every night since it was migrated.
    return await listMigrations(client, namespace, `VmferryVm = ${quoted(vm)}`, LOOKED_THROUGH);
  } catch (error) {
    // Search attributes are registered by the first worker; before that no migration can be found by name.
    if (error instanceof ServiceError && /VmferryVm/.test(String(error.cause))) return [];
    throw error;
  }
}

/** A string of Temporal's list filter. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
