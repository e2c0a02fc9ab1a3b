import { LEAF_BYTES, Manifest, verifyReplica, type BlockReader, type VerifyResult } from '../blocks/index.js';
import { loadConfig, type VmferryConfig } from '../config.js';
import { explain, VmferryError } from '../errors.js';
import { formatBytes, formatDuration } from '../model/format.js';
import type { OpenPoint, ReplicaState } from '../platforms/platform.js';
import { columns, printJson, type Context } from './context.js';
import { DONE, NOT_DONE } from './exit.js';
import { askTemporal, mustBeOver } from './fate.js';
import { gather, remainsOf, type Leftover, type Remains } from './leftovers.js';
import type { Verbs } from './program.js';
import { ProgressLine } from './progress-line.js';
import { withSite, type Site } from './sites.js';

interface Options {
  config?: string;
  source?: boolean;
  workflowGone?: boolean;
  json?: boolean;
}

/** What was found of one disk. */
export interface VerifiedDisk {
  disk: string;
  /** `target`: read back from its storage; `source`: read at a point in time of now. */
  side: 'target' | 'source';
  same: boolean;
  bytesRead: number;
  /** In whole blocks of 64 KiB. */
  differingBytes: number;
  /** Without a digest: an earlier look found them wrong, or they were never copied. */
  unknownBytes: number;
  rootDigest: string | null;
  durationMs: number;
}

const KEEP_ALIVE_MS = 5_000;

export function addVerify(verbs: Verbs): void {
  verbs
    .verb(
      'verify',
      'Read a kept replica back and compare it with its digests; with --source its source too',
      'vmferry verify 3f9c07d1ab42',
    )
    .argument('<replica>', "the migration's id, as `vmferry replicas` shows it, or the VM's name")
    .option('--source', 'read a point in time of the source too: tells how far apart they are now')
    .option('--workflow-gone', 'declare that no Temporal server runs its workflow any more, where it cannot be asked')
    .option('--config <file>', 'vmferry.yaml')
    .option('--json', 'print JSON')
    .action(verbs.action((name: string, options: Options) => verify(verbs.context, name, options)));
}

async function verify(context: Context, name: string, options: Options): Promise<number> {
  const config = await loadConfig(options.config);
  const { signal } = context;
  const temporal = await askTemporal(context);
  try {
    const found = await gather(config, Object.keys(config.sites), signal);
    for (const [site, error] of found.failed) context.err(`${site}: ${explain(error)}\n`);
    const { remains, replica } = whichReplica(remainsOf(found), name);
    const { owner, migrationId, source } = remains;
    mustBeOver(`verify the replica of ${migrationId}`, owner && (await temporal.fateOf(owner)), {
      workflowGone: options.workflowGone === true,
      // A second reader would take the replica from the one that writes it.
      running: 'It reads back what each pass wrote by itself; "sync": {"audit": "before-approval"} asks for more.',
    });
    const line = new ProgressLine(context);
    const disks = await verifyTarget(config, replica, line, signal);
    if (options.source) {
      if (!source || source.state === 'gone' || source.state === 'unreachable')
        throw new VmferryError('NotFound', `cannot read the source of ${migrationId}: nothing of it can be seen`);
      disks.push(...(await verifySource(config, { ...source, replica }, line, signal)));
    }
    line.end();
    if (options.json) printJson(context, { migrationId, site: replica.site, disks });
    else context.out(columns([HEADING, ...disks.map(cells)]));
    return disks.every((disk) => disk.same) ? DONE : NOT_DONE;
  } finally {
    await temporal.close();
  }
}

const HEADING = ['DISK', 'SIDE', 'RESULT', 'READ', 'TOOK', 'ROOT DIGEST'];

function cells(each: VerifiedDisk): string[] {
  const wrong = [
    each.differingBytes > 0 ? `${formatBytes(each.differingBytes)} differ` : null,
    each.unknownBytes > 0 ? `${formatBytes(each.unknownBytes)} have no digest` : null,
  ].filter((part) => part !== null);
  const took = formatDuration(each.durationMs);
  return [
    each.disk,
    each.side,
    each.same ? 'same' : wrong.join(', '),
    formatBytes(each.bytesRead),
    took,
    each.rootDigest ?? '',
  ];
}

type Kept = Leftover & { replica: ReplicaState };

function whichReplica(all: readonly Remains[], name: string): { remains: Remains; replica: Kept } {
  const kept = all.flatMap((remains) => {
    const replica = remains.resources.find((each): each is Kept => Boolean(each.replica?.whole));
    return replica ? [{ remains, replica }] : [];
  });
  const fitting = kept.filter(
    ({ remains, replica }) =>
      remains.migrationId === name || [replica.replica.source?.vm, replica.replica.targetName].includes(name),
  );
  if (fitting.length === 1) return fitting[0]!;
  const ids = (fitting.length > 1 ? fitting : kept).map(({ remains }) => remains.migrationId).join(', ');
  if (fitting.length > 1)
    throw new VmferryError('InvalidRequest', `cannot tell which replica of "${name}" is meant`, {
      remedy: `Name one: ${ids}.`,
    });
  throw new VmferryError('NotFound', `there is no whole replica "${name}" at the sites`, {
    remedy: ids
      ? `Whole replicas: ${ids}; \`vmferry replicas\` lists all.`
      : '`vmferry replicas` lists those that there are.',
  });
}

async function verifyTarget(
  config: VmferryConfig,
  { site: name, migrationId, replica: state }: Kept,
  line: ProgressLine,
  signal: AbortSignal,
): Promise<VerifiedDisk[]> {
  return await withSite(config, name, async (site) => {
    const replica = await site.openForVerify(migrationId, signal);
    try {
      if (replica.note) line.note(replica.note);
      const found: VerifiedDisk[] = [];
      for (const { id, data, manifest: store } of replica.disks) {
        const manifest = new Manifest(store, sizeOf(state, id));
        const result = await compare({ id, side: 'target', data, manifest, line, signal });
        found.push(diskOf(id, 'target', result, result.passed ? await manifest.rootDigest(signal) : null));
      }
      return found;
    } finally {
      await replica.close();
    }
  });
}

/** Reads all disks of the source as of one point in time, and ends it. What the source's images know is as before. */
async function verifySource(
  config: VmferryConfig,
  { site: name, vm, replica: kept }: { site: string; vm: string; replica: Kept },
  line: ProgressLine,
  signal: AbortSignal,
): Promise<VerifiedDisk[]> {
  const { migrationId, replica: state } = kept;
  return await withSite(config, name, async (source) => {
    const before = await checkpointsOf(source, migrationId, signal);
    const disks = state.disks.map((disk) => disk.id);
    const checkpoint = `vmferry-${migrationId}-${(state.whole?.pass ?? 0) + 1}`;
    const request = { owner: state.owner, vm, disks, checkpoint, since: null, quiesce: 'auto' as const };
    const point = await source.openPoint(request, signal);
    const alive = setInterval(() => void point.keepAlive().catch(() => undefined), KEEP_ALIVE_MS);
    try {
      line.note(`${vm} at ${name} as of ${point.takenAt}`);
      return await withSite(config, kept.site, (target) => readBoth(target, point, kept, line, signal));
    } finally {
      clearInterval(alive);
      await point.end();
      await source.deleteCheckpoints(vm, migrationId, before);
    }
  });
}

async function checkpointsOf(source: Site, migrationId: string, signal: AbortSignal): Promise<string[]> {
  const traces = await source.listTraces(signal);
  return traces
    .filter((each) => each.kind.endsWith('-checkpoint') && each.migrationId === migrationId)
    .map((each) => each.name);
}

async function readBoth(
  target: Site,
  point: OpenPoint,
  { migrationId, replica: state }: Kept,
  line: ProgressLine,
  signal: AbortSignal,
): Promise<VerifiedDisk[]> {
  const replica = await target.openForVerify(migrationId, signal);
  try {
    const found: VerifiedDisk[] = [];
    for (const { id, manifest: store } of replica.disks) {
      const data = point.disks.find((disk) => disk.id === id)!.reader;
      const manifest = new Manifest(store, sizeOf(state, id));
      found.push(diskOf(id, 'source', await compare({ id, side: 'source', data, manifest, line, signal }), null));
    }
    return found;
  } finally {
    await replica.close();
  }
}

interface Comparison {
  id: string;
  side: VerifiedDisk['side'];
  data: BlockReader;
  manifest: Manifest;
  line: ProgressLine;
  signal: AbortSignal;
}

function compare({ id, side, data, manifest, line, signal }: Comparison): Promise<VerifyResult> {
  return verifyReplica({
    replica: data,
    manifest,
    // What is wrong at the target is copied again by whoever adopts the replica.
    markMismatches: side === 'target',
    onProgress: (progress) => line.show(`${id} ${side}`, progress),
    signal,
  });
}

function diskOf(
  disk: string,
  side: VerifiedDisk['side'],
  result: VerifyResult,
  rootDigest: string | null,
): VerifiedDisk {
  const { passed: same, bytesRead, mismatches, unknown, durationMs } = result;
  const [differingBytes, unknownBytes] = [mismatches * LEAF_BYTES, unknown * LEAF_BYTES];
  return { disk, side, same, bytesRead, differingBytes, unknownBytes, rootDigest, durationMs };
}

function sizeOf(state: ReplicaState, id: string): number {
  return state.disks.find((disk) => disk.id === id)!.sizeBytes;
}
