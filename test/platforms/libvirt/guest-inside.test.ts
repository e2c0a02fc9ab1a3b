import assert from 'node:assert/strict';
import test from 'node:test';
import { guestFacts } from '../../../src/platforms/libvirt/guest.js';
import { guestFilesystems, guestTrim } from '../../../src/platforms/libvirt/guest-inside.js';
import type { LibvirtConnection } from '../../../src/platforms/libvirt/connect.js';

/** What is made of an agent's answers. A real agent is asked in guest.test.ts; this one names 1500 mounts, the root last. */

const mounts = [...Array(1500).keys()].map((index) => `/var/lib/containers/${index}`).concat('/boot', '/');
const answers: Record<string, unknown> = {
  'guest-ping': {},
  'guest-get-fsinfo': mounts.map((mountpoint) => {
    return { name: 'sda1', mountpoint, type: 'ext4', disk: [], 'total-bytes': 100, 'used-bytes': 40 };
  }),
  'guest-fstrim': { paths: mounts.map((path) => ({ path, trimmed: 1 })) },
};
const virsh = {
  uuid: () => Promise.resolve('1'),
  run: (args: readonly string[]) => {
    const { execute } = JSON.parse(args.at(-1) ?? '') as { execute: string };
    return execute in answers
      ? Promise.resolve(JSON.stringify({ return: answers[execute] }))
      : Promise.reject(new Error(execute));
  },
  runOr: () => Promise.resolve(null),
};
const at = { virsh, host: { run: () => Promise.resolve({ stdout: '' }) } } as unknown as LibvirtConnection;

test('of a guest with very many mounts, those that lie outermost are known', async () => {
  const found = await guestFilesystems(at, 'web01');
  assert.equal(found.length, 200);
  assert.deepEqual(found[0], { path: '/', type: 'ext4', totalBytes: 100, freeBytes: 60 });
  const { filesystems = [] } = await guestFacts(at, 'web01', undefined, false);
  assert.equal(filesystems.length, 200);
  assert.deepEqual(filesystems.slice(0, 2), [
    { path: '/', type: 'ext4', freeBytes: 60 },
    { path: '/boot', type: 'ext4', freeBytes: 60 },
  ]);
  const trimmed = await guestTrim(at, 'web01');
  assert.deepEqual([trimmed.length, trimmed[0]?.path], [200, '/']);
});
