import { VmferryError } from '../errors.js';
import type { BlockReader, BlockStore } from './block-device.js';
import { Committer } from './committer.js';
import { CopyTasks, IN_FLIGHT, type CopyTask } from './copy-tasks.js';
import { tiedController } from './deferred.js';
import { LEAF_BYTES } from './digest.js';
import { CHUNK_BYTES, LeafCopier } from './leaf-copier.js';
import type { Limiter } from './limiter.js';
import type { Manifest } from './manifest.js';
import { runPipeline } from './pipeline.js';
import { changedLeaves } from './plan.js';
import { Meter, type Progress } from './progress.js';

export interface CopyOptions {
  source: BlockReader;
  replica: BlockStore;
  manifest: Manifest;
  /**
   * `unknown`: copy the leaves whose digest is not known: a seed, or the rest of any pass.
   * `changed`: first mark what the source says changed as unknown, then the same.
   * `compare`: read the whole source and write the leaves whose digest differs: where nothing tells what changed.
   */
  mode: 'unknown' | 'changed' | 'compare';
  /** What the source says changed is marked already, by an earlier try at the same point in time. Default false. */
  marked?: boolean;
  /** Called when everything that changed is durably marked, before the first block is written. */
  onMarked?: () => Promise<void>;
  /** Counts what is read from the source. */
  limiter?: Limiter;
  /** Called twice a second, and at the end. */
  onProgress?: (progress: Progress) => void;
  /** Requests of 512 KiB under way at once; each takes as much memory. Default 16. */
  inFlight?: number;
  /** A crash costs no more than this much copied again. Default 64 MiB; little of it means many flushes. */
  atRiskBytes?: number;
  /** Digests of slow copies are recorded this often all the same. Default 2,000. */
  commitEveryMs?: number;
  signal?: AbortSignal;
}

export interface CopyStats {
  /** From the source. */
  bytesRead: number;
  /** To the replica. */
  bytesWritten: number;
  /** Copied as zeroes, without data: of these, only what did not read as zeroes before was written. */
  bytesZeroed: number;
  /** Leaves of 64 KiB that were brought up to date. */
  leavesCopied: number;
  /** Of `totalBytes`, what an earlier try had copied. */
  resumedFromBytes: number;
  /** What the pass covers: the disk, or in mode `changed` what changed. */
  totalBytes: number;
  durationMs: number;
}

/**
 * Copies a disk, or what changed of it, to its replica. Per leaf: marked unknown, durably; data written; flushed; digest
 * recorded. So it may be ended at any moment and run again: it goes on where it was. When it returns, all of it is
 * durable. A partly changed leaf is read whole.
 * @throws VmferryError `Drift` (the source has another size than the manifest's disk), `NoSpace`, `Cancelled` within a
 * second of the signal, and what source and replica throw.
 */
export async function copyDisk(options: CopyOptions): Promise<CopyStats> {
  const { source, replica, manifest, mode } = options;
  checkSizes(source, replica, manifest);
  const startedMs = performance.now();
  const { controller, release } = tiedController(options.signal);
  try {
    const { totalBytes, resumedFromBytes } = await prepare(options, controller.signal);
    const copied = await copyLeaves(options, resumedFromBytes, totalBytes, controller);
    return { ...copied, resumedFromBytes, totalBytes, durationMs: Math.round(performance.now() - startedMs) };
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new VmferryError('Cancelled', `cannot finish the copy (${mode}): it was cancelled`, { cause: error });
  } finally {
    release();
  }
}

function checkSizes(source: BlockReader, replica: BlockStore, manifest: Manifest): void {
  const size = manifest.diskSizeBytes;
  if (source.sizeBytes !== size) {
    throw new VmferryError(
      'Drift',
      `cannot copy the disk: it has ${source.sizeBytes} bytes, its replica is for ${size}`,
      {
        remedy: 'Was the disk resized? Start a new migration, which assesses it again.',
      },
    );
  }
  if (replica.sizeBytes < size) {
    throw new VmferryError('Internal', `cannot copy ${size} bytes to a replica of ${replica.sizeBytes}`);
  }
}

/** Marks what changed, and says how much there is to do and how much an earlier try did. */
async function prepare(
  { source, manifest, mode, marked, onMarked }: CopyOptions,
  signal: AbortSignal,
): Promise<Pick<CopyStats, 'totalBytes' | 'resumedFromBytes'>> {
  let changedBytes = 0;
  if (mode === 'changed') {
    if (!source.tracksChanges) {
      throw new VmferryError('NotSupported', 'cannot copy what changed: the source does not track changes');
    }
    for await (const range of changedLeaves(source, signal)) {
      changedBytes += manifest.bytesOf(range);
      if (!marked) await manifest.markUnknown(range, signal);
    }
  }
  // Whatever an earlier try marked or recorded is durable from here on, too.
  await manifest.flush(signal);
  if (mode === 'changed' && !marked) await onMarked?.();
  const size = manifest.diskSizeBytes;
  if (mode === 'compare') return { totalBytes: size, resumedFromBytes: 0 };
  const unknownBytes = await manifest.unknownBytes(signal);
  if (mode === 'unknown') return { totalBytes: size, resumedFromBytes: size - unknownBytes };
  const totalBytes = Math.max(changedBytes, unknownBytes);
  return { totalBytes, resumedFromBytes: totalBytes - unknownBytes };
}

async function copyLeaves(
  options: CopyOptions,
  doneBytes: number,
  totalBytes: number,
  controller: AbortController,
): Promise<Pick<CopyStats, 'bytesRead' | 'bytesWritten' | 'bytesZeroed' | 'leavesCopied'>> {
  const { source, replica, manifest, mode, limiter } = options;
  const { signal } = controller;
  const inFlight = options.inFlight ?? IN_FLIGHT;
  const atRiskBytes = options.atRiskBytes ?? 64 * 1024 * 1024;
  const meter = new Meter(doneBytes, totalBytes, options.onProgress);
  let commitFailure: { error: unknown } | null = null;
  const committer = new Committer({
    replica,
    manifest,
    mostBytes: Math.max(LEAF_BYTES, atRiskBytes - inFlight * CHUNK_BYTES),
    everyMs: options.commitEveryMs ?? 2_000,
    signal,
    onFailure: (error) => {
      // After the first failure all else is cancelled: that is no failure of its own.
      if (!signal.aborted) commitFailure = { error };
      controller.abort();
    },
  });
  const copier = new LeafCopier({
    source,
    replica,
    manifest,
    limiter,
    committer,
    meter,
    compare: mode === 'compare',
    signal,
  });
  const tasks = new CopyTasks({ source, replica, manifest, compare: mode === 'compare', signal });
  const work = (task: CopyTask): Promise<void> => copier.copy(task);
  try {
    await runPipeline(withRoom(tasks.all(), committer), inFlight, work, () => controller.abort());
    await committer.finish();
    return copier.stats;
  } catch (error) {
    await committer.abandon();
    throw commitFailure ? (commitFailure as { error: unknown }).error : error;
  } finally {
    meter.stop();
  }
}

async function* withRoom<T>(tasks: AsyncIterable<T>, committer: Committer): AsyncGenerator<T> {
  for await (const task of tasks) {
    await committer.room();
    yield task;
  }
}
