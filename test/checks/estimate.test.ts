import assert from 'node:assert/strict';
import test from 'node:test';
import { estimateMove } from '../../src/checks/estimate.js';
import { rateFrom } from '../../src/checks/rate.js';
import { disk, factsOf, GIB, MIB, type Given } from './facts.js';

const between = { source: 'dc-old', target: 'dc-new' };
const estimate = (given: Partial<Given>) => estimateMove(factsOf(given));

test('copying takes what the images hold, at a rate of which it is said where it is from', () => {
  const { copyBytes, copyMs, copyHow } = estimate({ sizeBytes: 20 * GIB, allocatedBytes: 10 * GIB });
  assert.deepEqual([copyBytes, copyMs], [10 * GIB, 102_400]);
  assert.equal(copyHow, '10 GiB (what the images take at the source) at 100 MiB/s, which is assumed');
});

test('where it is not known what an image holds, its whole size is taken, and that is said', () => {
  const { copyBytes, copyHow } = estimate({
    sizeBytes: 2 * GIB,
    allocatedBytes: null,
    disks: disk('vda') + disk('vdb'),
  });
  assert.equal(copyBytes, 4 * GIB);
  assert.match(copyHow, /the whole size of vda, vdb, of which that is not known/);
});

test('with change tracking the downtime is a small pass and the boot, both said to be assumed', () => {
  const { downtimeMs, downtimeHow, parts } = estimate({ sizeBytes: 500 * GIB });
  assert.equal(downtimeMs, 5_000 + 3_000 + 60_000 + 1_000);
  assert.match(downtimeHow, /both assumed/);
  assert.deepEqual(
    parts.map(({ name }) => name),
    ['stop', 'final pass', 'define', 'boot', 'steps'],
  );
});

test('without change tracking the downtime holds the reading of whole disks', () => {
  const without = { tracked: false, sizeBytes: 10 * GIB, allocatedBytes: MIB };
  const { downtimeMs, downtimeHow, parts } = estimate(without);
  assert.equal(downtimeMs, 102_400 + 69_000);
  assert.match(downtimeHow, /^Changes of vda are not tracked/);
  assert.match(parts[1]!.how, /compares vda whole: 10 GiB at 100 MiB\/s, which is assumed$/);
});

test('the move of a VM that is off interrupts nothing', () => {
  const { downtimeMs, downtimeHow, parts } = estimate({ running: false, tracked: false });
  assert.deepEqual([downtimeMs, parts], [0, []]);
  assert.match(downtimeHow, /is off/);
});

test('a stated rate goes before a measured one, that before an assumed one, and no rate is above a limit', () => {
  const past = { bytesPerSecond: 80 * MIB, migrations: 3 };
  const words = (more: Partial<Parameters<typeof rateFrom>[0]>) => rateFrom({ ...between, ...more }).words;
  assert.equal(words({}), '100 MiB/s, which is assumed,');
  assert.equal(words({ past }), '80 MiB/s, as 3 former migrations from dc-old to dc-new copied,');
  assert.equal(words({ past, assume: '1GiB/s' }), '1 GiB/s, as the request says to assume,');
  assert.equal(words({ past, bandwidth: '10MiB/s' }), 'the 10MiB/s asked for');
  assert.equal(words({ past, bandwidth: '10GiB/s' }), words({ past }));
  const limits = { 'dc-new': '20MiB/s' };
  assert.equal(words({ past, limits, bandwidth: '30MiB/s' }), 'the 20MiB/s that dc-new is limited to');
  assert.equal(words({ limits, bandwidth: '10MiB/s' }), 'the 10MiB/s asked for');
});
