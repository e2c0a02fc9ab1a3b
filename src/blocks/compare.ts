import { VmferryError } from '../errors.js';
import type { BlockReader } from './block-device.js';
import { DATA_LEAVES, IN_FLIGHT } from './copy-tasks.js';
import { tiedController } from './deferred.js';
import { LEAF_BYTES } from './digest.js';
import { runPipeline } from './pipeline.js';
import { ExtentCursor, leafRuns } from './plan.js';
import { Meter, type Progress } from './progress.js';

/** Zeroes on both sides are not read, but passed over in pieces of this size. */
const ZERO_LEAVES = 2048;

interface Task {
  offsetBytes: number;
  lengthBytes: number;
  zero: boolean;
}

/**
 * Reads two disks of one size whole. @returns how many blocks of 64 KiB differ.
 * @throws VmferryError `Cancelled`, and what the readers throw.
 */
export async function compareDisks(
  one: BlockReader,
  other: BlockReader,
  { onProgress, signal }: { onProgress?: (progress: Progress) => void; signal?: AbortSignal } = {},
): Promise<number> {
  const { controller, release } = tiedController(signal);
  const meter = new Meter(0, one.sizeBytes, onProgress);
  let differing = 0;
  const work = async ({ offsetBytes, lengthBytes, zero }: Task): Promise<void> => {
    if (!zero) {
      const [here, there] = [Buffer.allocUnsafe(lengthBytes), Buffer.allocUnsafe(lengthBytes)];
      await Promise.all([
        one.read(offsetBytes, here, controller.signal),
        other.read(offsetBytes, there, controller.signal),
      ]);
      for (let at = 0; at < lengthBytes; at += LEAF_BYTES) {
        const end = Math.min(at + LEAF_BYTES, lengthBytes);
        if (here.compare(there, at, end, at, end) !== 0) differing += 1;
      }
    }
    meter.add(lengthBytes, !zero);
  };
  try {
    await runPipeline(tasks(one, other, controller.signal), IN_FLIGHT, work, () => controller.abort());
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new VmferryError('Cancelled', 'cannot finish the comparison: it was cancelled', { cause: error });
  } finally {
    meter.stop();
    release();
  }
  return differing;
}

async function* tasks(one: BlockReader, other: BlockReader, signal: AbortSignal): AsyncGenerator<Task> {
  const beside = new ExtentCursor(other, signal);
  for await (const { first, count, kind } of leafRuns(one.extents(0, one.sizeBytes, signal))) {
    const most = kind === 'data' ? DATA_LEAVES : ZERO_LEAVES;
    for (let done = 0; done < count; done += most) {
      const offsetBytes = (first + done) * LEAF_BYTES;
      const lengthBytes = Math.min(Math.min(count - done, most) * LEAF_BYTES, one.sizeBytes - offsetBytes);
      if (kind === 'zero' && (await beside.isZero(offsetBytes, lengthBytes))) {
        yield { offsetBytes, lengthBytes, zero: true };
        continue;
      }
      for (let at = 0; at < lengthBytes; at += DATA_LEAVES * LEAF_BYTES) {
        const length = Math.min(DATA_LEAVES * LEAF_BYTES, lengthBytes - at);
        yield { offsetBytes: offsetBytes + at, lengthBytes: length, zero: false };
      }
    }
  }
}
