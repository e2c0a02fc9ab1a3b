import assert from 'node:assert/strict';
import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runAfter, runBefore, type TimedCommand } from '../../../src/guest/prepare/point-commands.js';
import { folderGuest, SHELLS, type FolderGuest } from './guest.js';

const command = (...run: string[]): TimedCommand => ({ run, timeoutMs: 5_000 });

for (const shell of SHELLS) {
  test(`by ${shell.join(' ')}: commands get their arguments as they are, and those after run once, by whoever comes first`, async (t) => {
    const guest = await folderGuest(t, shell);
    await guest.program('db', 'printf "<%s>" "$@" >"$ROOT/given"');
    const odd = ["it's", '$HOME `id` "q"', '', '-n'];
    await runBefore(guest, [command('db', ...odd)], [command('db', 'go')]);
    assert.equal(await guest.read('given'), odd.map((each) => `<${each}>`).join(''));
    assert.deepEqual(await guest.log(), [`db ${odd.join(' ')}`]);
    assert.deepEqual(await runAfter(guest, [command('db', 'go')]), []);
    assert.equal((await guest.log()).at(-1), 'db go');
    assert.deepEqual(await readdir(join(guest.root, 'run/vmferry-0123456789ab')), ['said']);
  });

  test(`by ${shell.join(' ')}: where nobody comes back the guest runs those after by itself, and whoever comes late hears of it`, async (t) => {
    const guest = await folderGuest(t, shell);
    impatient(guest);
    await guest.program('db', '');
    await runBefore(guest, [command('db', 'hold')], [command('db', 'go')]);
    for (let tries = 0; !(await guest.log()).includes('db go'); tries++) {
      assert.ok(tries < 100, 'the guest did not let go');
      await sleep(50);
    }
    assert.match((await runAfter(guest, [command('db', 'go')]))[0]!, /by itself before the point/);
    assert.deepEqual(await runAfter(guest, [command('db', 'go')]), []);
  });
}

/** A minute is soon over in this guest. */
function impatient(guest: FolderGuest): void {
  const { exec } = guest;
  guest.exec = ([shell, dash, script, ...args], options) =>
    exec([shell, dash!, script!.replace('sleep "$1"', 'sleep 0.2'), ...args], options);
}

test('a command that fails, or takes too long, is named; those behind it do not run, and those after do', async (t) => {
  const guest = await folderGuest(t);
  await guest.program('db', '[ "$1" != fail ] || { echo "no such table" >&2; exit 5; }; [ "$1" != slow ] || sleep 20');
  const after = [command('db', 'fail'), command('db', 'go')];
  await assert.rejects(
    runBefore(guest, [command('db', 'fail'), command('db', 'never')], after),
    /cannot run the commands before the point in time: timeout 5 db fail failed \(status 5\): no such table/,
  );
  assert.deepEqual(await runAfter(guest, after), ['db of afterPoint failed']);
  assert.deepEqual(await guest.log(), ['db fail', 'db fail', 'db go']);
  await assert.rejects(
    runBefore(guest, [{ run: ['db', 'slow'], timeoutMs: 1_000 }], []),
    /db slow failed \(status (124|143)\)/,
  );
});

test('a step that is tried again waits for the one that still runs in the guest, and not for one that is dead', async (t) => {
  const guest = await folderGuest(t);
  await guest.program('db', 'echo begin >>"$ROOT/order"; sleep 2; echo end >>"$ROOT/order"');
  await Promise.all([1, 2].map(() => runBefore(guest, [command('db')], [])));
  assert.equal(await guest.read('order'), 'begin\nend\nbegin\nend\n');
  await symlink('1', join(guest.root, 'run/vmferry-0123456789ab/lock'));
  await runBefore(guest, [], []);
});
