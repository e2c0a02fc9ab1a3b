import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalHost } from '../../src/exec/local.js';
import { counterInImage } from '../../lab/guest/counter.js';
import {
  askGuest,
  defineGuest,
  firstCounters,
  pingAgent,
  removeGuest,
  startGuest,
  waitForGuest,
  type Guest,
} from '../../lab/guest/guest.js';
import { startLab, type Lab } from '../../lab/lab.js';
import { startRecorder } from '../../lab/recorder.js';

const MIB = 1024 * 1024;
let lab: Lab;
before(async () => {
  lab = await startLab();
});
after(() => lab.stop());

const virsh = (...args: string[]) => lab.old.host.run('virsh', ['-q', '-c', 'qemu:///system', ...args]);

async function waitForOff(guest: Guest): Promise<void> {
  for (const endsAt = Date.now() + 120_000; Date.now() < endsAt;) {
    if ((await virsh('domstate', guest.name)).stdout.trim() === 'shut off') return;
    await sleep(200);
  }
  assert.fail(`${guest.name} does not stop:\n${await readFile(guest.consoleLog, 'utf8')}`);
}

test('a BIOS guest counts, tells the recorder, stops as its agent is asked, and goes on where it was', async () => {
  const recorder = await startRecorder(lab.old);
  const dataDisks = [
    { sizeBytes: 64 * MIB, format: 'raw' as const },
    { sizeBytes: 64 * MIB, format: 'qcow2' as const },
  ];
  const guest = await defineGuest(lab.old, { name: 'web01', dataDisks });
  await startGuest(lab.old, guest);
  const { answer, counter } = await waitForGuest(lab.old, guest);
  assert.match(answer, /^web01 counter \d+$/);
  while ((await recorder.last()) <= counter) await sleep(100);

  await virsh('domfsfreeze', guest.name);
  await sleep(200);
  const frozen = await askGuest(lab.old, guest);
  await sleep(500);
  assert.equal((await askGuest(lab.old, guest)).counter, frozen.counter, 'a frozen guest writes nothing');
  await virsh('domfsthaw', guest.name);
  while ((await recorder.last()) <= frozen.counter) await sleep(100);

  await virsh('shutdown', guest.name, '--mode', 'agent');
  await waitForOff(guest);
  const last = await recorder.last();
  const [, a, b] = guest.disks;
  assert.ok(a && b);
  const copy = `${b.path}.raw`;
  await new LocalHost().run('qemu-img', ['convert', '-O', 'raw', b.path, copy]);
  const counters = [await counterInImage(a.path), await counterInImage(copy)];
  assert.ok(
    counters[0] === counters[1] && counters.every((number) => number >= last),
    `${counters.join(', ')} after ${last}`,
  );
  for (const image of [a.path, copy]) await new LocalHost().run('e2fsck', ['-fn', image]);

  await startGuest(lab.old, guest);
  await waitForGuest(lab.old, guest);
  assert.deepEqual(await firstCounters(guest), [0, counters[0]]);
  assert.deepEqual(
    (await recorder.boots()).map(({ guest: name, first }) => [name, first]),
    [
      ['web01', 0],
      ['web01', counters[0]],
    ],
  );
  await removeGuest(lab.old, guest);
  await recorder.stop();
});

test('a UEFI guest boots, answers, and stops at its power button', async () => {
  const guest = await defineGuest(lab.old, { name: 'uefi01', firmware: 'uefi', dataDisks: [{ sizeBytes: 64 * MIB }] });
  await startGuest(lab.old, guest);
  await waitForGuest(lab.old, guest);
  assert.match((await virsh('dumpxml', guest.name)).stdout, /<nvram[^>]*>[^<]*uefi01/);
  await virsh('shutdown', guest.name, '--mode', 'acpi');
  await waitForOff(guest);
  await removeGuest(lab.old, guest);
  assert.ok(!(await virsh('list', '--all', '--name')).stdout.split('\n').includes('uefi01'));
});

test('a guest without an agent that ignores its power button stays', async () => {
  const guest = await defineGuest(lab.old, { name: 'mute01', agent: false, obedient: false, dataDisks: [] });
  await startGuest(lab.old, guest);
  await waitForGuest(lab.old, guest);
  await assert.rejects(pingAgent(lab.old, guest));
  await virsh('shutdown', guest.name, '--mode', 'acpi');
  const endsAt = Date.now() + 60_000;
  while (!(await readFile(guest.consoleLog, 'utf8')).includes('ignoring it')) {
    assert.ok(Date.now() < endsAt, 'the power button is noticed');
    await sleep(100);
  }
  const { counter } = await askGuest(lab.old, guest);
  await sleep(500);
  assert.ok((await askGuest(lab.old, guest)).counter > counter, 'it goes on counting');
  await removeGuest(lab.old, guest);
});
