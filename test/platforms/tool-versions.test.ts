import assert from 'node:assert/strict';
import test from 'node:test';
import { LocalHost } from '../../src/exec/local.js';
import { isBefore } from '../../src/model/tools.js';
import { programVersions } from '../../src/platforms/tool-versions.js';

test('the programs that are here tell their versions', async () => {
  const found = await programVersions(new LocalHost());
  assert.match(found['qemu-img'] ?? '', /^\d+\.\d+(\.\d+)?$/);
  for (const version of Object.values(found)) assert.match(version, /^\d+(\.\d+)+$/);
});

test('versions are compared number by number', () => {
  for (const [a, b] of [
    ['4.2.1', '5.1'],
    ['5.0', '5.1'],
    ['9.0', '10.0'],
    ['5', '5.1'],
    ['5.1', '5.1.1'],
  ] as const) {
    assert.ok(isBefore(a, b), `${a} ${b}`);
    assert.ok(!isBefore(b, a), `${b} ${a}`);
  }
  for (const [a, b] of [
    ['5.1', '5.1'],
    ['5.1', '5.1.0'],
  ] as const) {
    assert.ok(!isBefore(a, b) && !isBefore(b, a));
  }
});
