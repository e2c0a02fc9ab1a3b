import {
  changedLeaves,
  copyDisk,
  LEAF_BYTES,
  Manifest,
  type Limiter,
  type CopyOptions,
  type CopyStats,
  type LeafRange,
  type Progress as BlockProgress,
} from '../src/blocks/index.js';
import { VmferryError } from '../src/errors.js';
import type { PassRecord } from '../src/model/status.js';
import type { OpenPoint, OpenReplica, PointDisk } from '../src/platforms/platform.js';
import type { Progress } from './progress.js';

/** Requests under way for the disks of a pass together, of 512 KiB each: more of them take memory and no less time. */
const IN_FLIGHT_OF_A_PASS = 32;
const MOST_IN_FLIGHT = 16;
const LEAST_IN_FLIGHT = 4;
/** More stretches than this are not remembered; then the whole disk is verified. */
const MAX_RANGES = 100_000;

/** The leaves of each disk that a pass may have written; null for all. */
export type WrittenRanges = Record<string, LeafRange[] | null>;

export interface CopiedDisks {
  bytesRead: number;
  bytesWritten: number;
  resumedFromBytes: number;
  changedBytes: number;
  tracking: PassRecord['tracking'];
  ranges: WrittenRanges;
  /** Bytes that differ though tracking did not report them; null where nothing was audited. */
  missedBytes: number | null;
}

interface CopyPlan {
  point: OpenPoint;
  replica: OpenReplica;
  limiter: Limiter;
  progress: Progress;
  signal: AbortSignal;
  /** Afterwards read the same point in time whole, and copy what differs all the same. */
  audit: boolean;
}

/** Copies all disks of a point at once. The first failure ends the others. */
export async function copyDisks(plan: CopyPlan): Promise<CopiedDisks> {
  const { point, replica } = plan;
  const stop = new AbortController();
  const signal = AbortSignal.any([plan.signal, stop.signal]);
  const fresh = replica.state.whole === null && (replica.state.torn?.points.length ?? 0) <= 1;
  const marked = replica.state.torn?.marked === point.checkpoint;
  const modes = point.disks.map((disk) => modeOf(disk, fresh));
  const each = Math.floor(IN_FLIGHT_OF_A_PASS / point.disks.length);
  const inFlight = Math.min(MOST_IN_FLIGHT, Math.max(LEAST_IN_FLIGHT, each));
  const barrier = new Barrier(
    modes.filter((mode) => mode === 'changed' && !marked).length,
    () => replica.noteMarked(point.checkpoint),
    signal,
  );
  const copies = point.disks.map(async (disk, index) => {
    const opened = replica.disks.find((each) => each.id === disk.id);
    if (!opened) throw new VmferryError('Internal', `cannot copy ${disk.id}: it has no replica`);
    const manifest = new Manifest(opened.manifest, disk.reader.sizeBytes);
    const copy = {
      source: disk.reader,
      replica: opened.data,
      manifest,
      limiter: plan.limiter,
      inFlight,
      onProgress: ({ doneBytes, totalBytes, rateBytesPerSecond }: BlockProgress) =>
        plan.progress.update(disk.id, doneBytes, totalBytes, rateBytesPerSecond),
      signal,
    };
    const mode = modes[index]!;
    const stats = await copyDisk({ ...copy, mode, marked, onMarked: () => barrier.arrive() });
    // What tracking reported is copied by now: whatever still differs, it missed.
    const audit = plan.audit && mode === 'changed' ? await copyDisk({ ...copy, mode: 'compare' }) : null;
    const missedBytes = audit ? audit.leavesCopied * LEAF_BYTES : 0;
    const known = mode === 'changed' && replica.state.whole !== null && missedBytes === 0;
    return { id: disk.id, stats, audit, missedBytes, ranges: known ? await rangesOf(disk, signal) : null };
  });
  const results = await allOrFirstFailure(copies, stop);
  const sum = (key: 'bytesRead' | 'bytesWritten' | 'resumedFromBytes') =>
    results.reduce((total, each) => total + each.stats[key] + (each.audit?.[key] ?? 0), 0);
  return {
    bytesRead: sum('bytesRead'),
    bytesWritten: sum('bytesWritten'),
    resumedFromBytes: sum('resumedFromBytes'),
    changedBytes: results.reduce((total, each, index) => total + changedBy(modes[index]!, each.stats), 0),
    tracking: trackingOf(modes),
    ranges: Object.fromEntries(results.map((each) => [each.id, each.ranges])),
    missedBytes: plan.audit ? results.reduce((total, each) => total + each.missedBytes, 0) : null,
  };
}

/** A fresh seed copies what is unknown; later what the source says changed; without such word, everything is compared. */
function modeOf(disk: PointDisk, fresh: boolean): CopyOptions['mode'] {
  if (fresh) return 'unknown';
  return disk.changes === 'bitmap' ? 'changed' : 'compare';
}

function changedBy(mode: CopyOptions['mode'], stats: CopyStats): number {
  return mode === 'changed' ? stats.totalBytes : stats.bytesWritten + stats.bytesZeroed;
}

function trackingOf(modes: CopyOptions['mode'][]): PassRecord['tracking'] {
  if (modes.every((mode) => mode === 'unknown')) return 'full';
  if (modes.every((mode) => mode === 'changed')) return 'bitmap';
  return modes.every((mode) => mode === 'compare') ? 'compare' : 'mixed';
}

async function rangesOf(disk: PointDisk, signal: AbortSignal): Promise<LeafRange[] | null> {
  const ranges: LeafRange[] = [];
  for await (const range of changedLeaves(disk.reader, signal)) {
    if (ranges.length === MAX_RANGES) return null;
    ranges.push(range);
  }
  return ranges;
}

/** Stretches kept of each disk in the replica's state. */
const KEPT_RANGES = 500;

/** The same leaves and some between them, in few enough stretches to be kept: the smallest gaps are closed first. */
export function coarsened(ranges: WrittenRanges): WrittenRanges {
  return Object.fromEntries(Object.entries(ranges).map(([id, list]) => [id, list && closeGaps(list)]));
}

function closeGaps(list: LeafRange[]): LeafRange[] {
  let kept = list;
  for (let gap = 1; kept.length > KEPT_RANGES; gap *= 2) {
    const joined: LeafRange[] = [];
    for (const { first, count } of kept) {
      const last = joined.at(-1);
      if (last && first - (last.first + last.count) <= gap) last.count = first + count - last.first;
      else joined.push({ first, count });
    }
    kept = joined;
  }
  return kept;
}

async function allOrFirstFailure<T>(work: Promise<T>[], stop: AbortController): Promise<T[]> {
  let first: { error: unknown } | null = null;
  const settled = await Promise.allSettled(
    work.map((each) =>
      each.catch((error: unknown) => {
        first ??= { error };
        stop.abort();
        throw error;
      }),
    ),
  );
  if (first !== null) throw (first as { error: unknown }).error;
  return settled.map((each) => (each as PromiseFulfilledResult<T>).value);
}

/** Every disk is marked before the state says so, and nothing is written before that. */
class Barrier {
  private arrived = 0;
  private readonly open: Promise<void>;
  private release: () => void = () => undefined;
  private refuse: (error: unknown) => void = () => undefined;

  constructor(
    private readonly expected: number,
    private readonly note: () => Promise<void>,
    signal: AbortSignal,
  ) {
    this.open = new Promise((resolve, reject) => {
      this.release = resolve;
      this.refuse = reject;
    });
    // Nobody may be waiting when another disk fails.
    this.open.catch(() => undefined);
    signal.addEventListener(
      'abort',
      () => this.refuse(new VmferryError('Cancelled', 'cannot go on: another disk failed, or it was cancelled')),
      { once: true },
    );
  }

  arrive(): Promise<void> {
    this.arrived += 1;
    if (this.arrived === this.expected) this.note().then(this.release, this.refuse);
    return this.open;
  }
}
