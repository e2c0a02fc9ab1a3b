import { LEAF_BYTES, Manifest, verifyReplica, type LeafRange, type Limiter } from '../src/blocks/index.js';
import { VmferryError } from '../src/errors.js';
import type { DiskRecord } from '../src/model/status.js';
import type { TargetSite } from '../src/platforms/platform.js';
import type { WrittenRanges } from './copy-disks.js';
import type { Progress } from './progress.js';

interface VerifyPlan {
  limiter: Limiter;
  progress: Progress;
  signal: AbortSignal;
  /** What is to be read back; null for everything. */
  ranges: WrittenRanges | null;
  /** Whether root digests are wanted: that reads the manifests whole. */
  roots: boolean;
}

export interface Verified {
  disks: DiskRecord[];
  /** What read back differently, or null. Those leaves are marked unknown, so that the next pass copies them again. */
  failure: VmferryError | null;
}

/** Reads the last whole pass back from the target's storage and compares it with the manifests. Idempotent. */
export async function verifyDisks(target: TargetSite, migrationId: string, plan: VerifyPlan): Promise<Verified> {
  const { signal } = plan;
  const state = await target.readReplica(migrationId, signal);
  const pass = state?.whole?.pass;
  if (!state || pass === undefined) throw new VmferryError('Internal', 'cannot verify a replica that is not whole');
  const done = state.verifiedPass >= pass;
  if (done && !plan.roots) return { disks: records(state.disks, {}), failure: null };
  if (!plan.roots && wroteNothing(state.disks, plan.ranges)) {
    await target.noteVerified(migrationId, pass, signal);
    return { disks: records(state.disks, {}), failure: null };
  }
  const replica = await target.openForVerify(migrationId, signal);
  try {
    const roots: Record<string, string> = {};
    let failure: VmferryError | null = null;
    for (const { id, data, manifest: store } of replica.disks) {
      const { sizeBytes } = state.disks.find((disk) => disk.id === id)!;
      const manifest = new Manifest(store, sizeBytes);
      const only = plan.ranges?.[id];
      if (!done) {
        const result = await verifyReplica({
          replica: data,
          manifest,
          ...(only ? { only, totalBytes: bytesOf(only, sizeBytes) } : {}),
          markMismatches: true,
          limiter: plan.limiter,
          onProgress: (progress) =>
            plan.progress.update(id, progress.doneBytes, progress.totalBytes, progress.rateBytesPerSecond),
          signal,
        });
        if (!result.passed) failure ??= mismatch(id, result.mismatches, result.unknown, result.mismatching[0]);
      }
      if (plan.roots && !failure) roots[id] = await manifest.rootDigest(signal);
    }
    if (failure) return { disks: [], failure };
    await target.noteVerified(migrationId, pass, signal);
    return { disks: records(state.disks, roots), failure };
  } finally {
    await replica.close();
  }
}

function wroteNothing(disks: { id: string }[], ranges: WrittenRanges | null): boolean {
  return ranges !== null && disks.every(({ id }) => ranges[id]?.length === 0);
}

/** What these leaves hold; the last of a disk may be a short one. */
function bytesOf(ranges: LeafRange[], sizeBytes: number): number {
  const ends = ranges.map(({ first, count }) => Math.min((first + count) * LEAF_BYTES, sizeBytes) - first * LEAF_BYTES);
  return ends.reduce((sum, bytes) => sum + bytes, 0);
}

function records(disks: { id: string; sizeBytes: number }[], roots: Record<string, string>): DiskRecord[] {
  const verifiedAt = new Date().toISOString();
  return disks.map(({ id, sizeBytes }) => ({ name: id, sizeBytes, rootDigest: roots[id] ?? null, verifiedAt }));
}

function mismatch(id: string, wrong: number, unknown: number, first: number | undefined): VmferryError {
  const where = first === undefined ? '' : `, the first at byte ${first * LEAF_BYTES}`;
  return new VmferryError(
    'VerifyFailed',
    `cannot trust the replica of ${id}: ${wrong} blocks of 64 KiB read back differently${where}; ${unknown} are not known`,
    {
      remedy: 'The blocks are copied again with the next pass. If it happens again, look at the storage of the target.',
    },
  );
}
