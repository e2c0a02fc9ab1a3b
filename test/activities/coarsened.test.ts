import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coarsened } from '../../activities/copy-disks.js';

test('scattered stretches are joined until few are left, and none of their leaves is lost', () => {
  const list = Array.from({ length: 20_000 }, (_, index) => ({
    first: index * 7 + (index % 5) * 1_000_000,
    count: 1 + (index % 3),
  }));
  list.sort((a, b) => a.first - b.first);
  const { vda, vdb } = coarsened({ vda: list, vdb: null });
  assert.equal(vdb, null);
  assert.ok(vda && vda.length <= 500, `${vda?.length} stretches`);
  for (const { first, count } of list) {
    assert.ok(
      vda.some((range) => range.first <= first && first + count <= range.first + range.count),
      `leaf ${first}`,
    );
  }
  const covered = vda.reduce((sum, range) => sum + range.count, 0);
  assert.ok(covered < 1_000_000, `${covered} leaves: distant stretches stay apart`);
});

test('few stretches stay as they are', () => {
  const few = [
    { first: 3, count: 2 },
    { first: 10, count: 1 },
  ];
  assert.deepEqual(coarsened({ vda: few }), { vda: few });
});
