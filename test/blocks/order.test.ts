import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { copyDisk, interceptReader, Manifest, verifyReplica } from '../../src/blocks/index.js';
import { VmferryError } from '../../src/errors.js';
import { MemoryDisk } from './memory-disk.js';
import { failsAs, LEAF, memoryManifest, MIB, noise } from './support.js';
import { Witness } from './witness.js';

const SIZE = 24 * MIB;
/** Commits are many, and run beside the copying. */
const SMALL = { inFlight: 4, atRiskBytes: 6 * MIB };

for (const mode of ['unknown', 'changed', 'compare'] as const) {
  test(`whenever the power fails in a copy (${mode}), every digest that is left holds`, async () => {
    const [before, after] = [noise(SIZE, 21), noise(SIZE, 22)];
    // Some leaves stay as they are, some become zeroes.
    before.copy(after, 4 * MIB, 4 * MIB, 9 * MIB);
    after.fill(0, 12 * MIB, 15 * MIB + LEAF);
    const [replicaDisk, manifestDisk] = [new MemoryDisk(SIZE), new MemoryDisk(SIZE / 2048)];
    const seeded = mode !== 'unknown';
    const first = { replica: replicaDisk, manifest: new Manifest(manifestDisk, SIZE), mode: 'unknown' } as const;
    if (seeded) await copyDisk({ ...first, source: new MemoryDisk(before) });
    const witness = new Witness(replicaDisk, manifestDisk);
    const changed = [
      { offsetBytes: 0, lengthBytes: 4 * MIB },
      { offsetBytes: 9 * MIB, lengthBytes: 15 * MIB },
    ];
    const source = new MemoryDisk(after, mode === 'changed' ? { changed } : {});
    const manifest = new Manifest(witness.manifestStore, SIZE);
    const stats = await copyDisk({ source, replica: witness.replica, manifest, mode, ...SMALL });
    assert.deepEqual(witness.breaches, []);
    assert.ok(stats.leavesCopied >= (seeded ? (SIZE - 5 * MIB) / LEAF : SIZE / LEAF));
    assert.ok(replicaDisk.bytes.equals(after));
    assert.equal(
      (await verifyReplica({ replica: replicaDisk, manifest: new Manifest(manifestDisk, SIZE) })).passed,
      true,
    );
  });
}

for (const how of ['cancelled', 'failed'] as const) {
  test(`a copy that has ${how} leaves both sides alone from then on`, async () => {
    const witness = new Witness(new MemoryDisk(SIZE));
    const aborter = new AbortController();
    let reads = 0;
    const source = interceptReader(new MemoryDisk(noise(SIZE, 23)), async (_, run) => {
      const read = ++reads;
      await sleep(2);
      if (read === 10 && how === 'cancelled') aborter.abort();
      if (read === 10 && how === 'failed') throw new VmferryError('ToolFailed', 'cannot read: bad sector');
      await run();
    });
    const options = { source, replica: witness.replica, manifest: memoryManifest(SIZE), signal: aborter.signal };
    await failsAs(
      copyDisk({ ...options, mode: 'unknown', ...SMALL }),
      how === 'cancelled' ? 'Cancelled' : 'ToolFailed',
    );
    assert.ok(reads <= 10 + 2 * SMALL.inFlight, `${reads} reads`);
    const before = [reads, witness.calls];
    await sleep(200);
    assert.deepEqual([reads, witness.calls], before);
  });
}
