import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import test from 'node:test';
import { z } from 'zod';
import type { GuestDisk } from '../../../src/model/guest-disks.js';
import {
  convertOverlays,
  forbidCutover,
  makeOverlays,
  removeOverlays,
} from '../../../src/platforms/replica/overlays.js';
import type { ReplicaStore } from '../../../src/platforms/replica/store.js';
import { bench, contents, host, ID, pass } from './bench.js';

/** Overlays with a converted guest in them: whole or not there. */

const done = z.object({ by: z.string() });

async function verified(store: ReplicaStore, number: number, byte: number): Promise<void> {
  await pass(store, number, 0, Buffer.alloc(65536, byte));
  await store.noteVerified(ID, number);
}

async function writeTo({ path }: GuestDisk, byte: string): Promise<void> {
  await host.run('qemu-io', ['-f', 'qcow2', '-c', `write -P ${byte} 0 4k`, path]);
}

async function holds(path: string, byte: string): Promise<boolean> {
  const { stdout } = await host.run('qemu-io', ['-r', '-f', 'qcow2', '-c', `read -P ${byte} 0 4k`, path]);
  return !/verification failed/i.test(stdout);
}

test('a conversion is made once on fresh overlays, and its result is given again', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec);
  await verified(store, 1, 7);
  let calls = 0;
  const convert = async (disks: readonly GuestDisk[]) => {
    calls += 1;
    for (const disk of disks) await writeTo(disk, '0x42');
    return { by: `call ${calls}` };
  };
  assert.deepEqual(await convertOverlays(store, ID, 'cutover', done, convert), { by: 'call 1' });
  assert.deepEqual(await convertOverlays(store, ID, 'cutover', done, convert), { by: 'call 1' });
  for (const path of (await makeOverlays(store, ID, 'cutover')).values()) assert.ok(await holds(path, '0x42'), path);
  // The replica holds what was copied.
  for (const data of await contents(store, 0, 4096)) assert.deepEqual(data, Buffer.alloc(4096, 7));
});

test('a conversion that fails leaves nothing that a VM would be put on', async (t) => {
  const { store, spec, directory } = await bench(t);
  await store.create(spec);
  await verified(store, 1, 7);
  const broken = async (disks: readonly GuestDisk[]): Promise<{ by: string }> => {
    await writeTo(disks[0]!, '0x42');
    throw new Error('the tool died');
  };
  await assert.rejects(convertOverlays(store, ID, 'rehearsal', done, broken), /the tool died/);
  const again = await convertOverlays(store, ID, 'rehearsal', done, () => Promise.resolve({ by: 'second' }));
  assert.deepEqual(again, { by: 'second' });
  for (const path of (await makeOverlays(store, ID, 'rehearsal')).values()) assert.ok(await holds(path, '7'), path);
  await removeOverlays(store, ID, 'rehearsal');
  const left = (await readdir(`${directory}/.vmferry-${ID}`)).filter((name) => /rehearsal/.test(name));
  assert.deepEqual(left, []);
});

test('of two tries at once, one wins, and the other is told so or gets what the first made', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec);
  await verified(store, 1, 7);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const slow = convertOverlays(store, ID, 'cutover', done, async (disks) => {
    begin();
    await held;
    // Its file is gone by now, or is not the one that counts.
    await writeTo(disks[0]!, '0x66').catch(() => undefined);
    return { by: 'slow' };
  });
  await begun;
  const fast = await convertOverlays(store, ID, 'cutover', done, async (disks) => {
    for (const disk of disks) await writeTo(disk, '0x42');
    return { by: 'fast' };
  });
  assert.deepEqual(fast, { by: 'fast' });
  release();
  const other = await slow.catch((error: unknown) => error);
  assert.ok((other as { code?: string }).code === 'Superseded' || (other as { by?: string }).by === 'fast');
  for (const path of (await makeOverlays(store, ID, 'cutover')).values()) assert.ok(await holds(path, '0x42'), path);
});

test('after an undo nothing is converted for a cutover any more', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec);
  await verified(store, 1, 7);
  const undone = convertOverlays(store, ID, 'cutover', done, async () => {
    await forbidCutover(store, ID);
    await removeOverlays(store, ID, 'cutover');
    return { by: 'late' };
  });
  await assert.rejects(undone, { code: 'Superseded' });
  await assert.rejects(
    convertOverlays(store, ID, 'cutover', done, () => Promise.resolve({ by: 'later' })),
    { code: 'Superseded' },
  );
});
