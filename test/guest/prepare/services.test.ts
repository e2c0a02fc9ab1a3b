import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { VmferryError } from '../../../src/errors.js';
import { lookAtServices, startServices, stopServices } from '../../../src/guest/prepare/services.js';
import { folderGuest, SHELLS, type FolderGuest } from './guest.js';

const NAMES = ['db', 'web', 'mail', 'gone'];

/** Each manager with db and web running, mail not, gone not there. A service runs while its file is in `up`. */
const MANAGERS: Record<string, (guest: FolderGuest) => Promise<void>> = {
  async systemd(guest) {
    await mkdir(join(guest.root, 'run/systemd/system'), { recursive: true });
    await guest.program(
      'systemctl',
      `for name; do :; done
case $1 in
show) [ "$name" != gone ] && echo LoadState=loaded || echo LoadState=not-found
  [ -e "$ROOT/up/$name" ] && echo ActiveState=active || echo ActiveState=inactive ;;
stop) rm "$ROOT/up/$name" ;;
start) [ ! -e "$ROOT/broken-$name" ] || { echo "Job for $name failed" >&2; exit 1; }; touch "$ROOT/up/$name" ;;
esac`,
    );
  },
  async OpenRC(guest) {
    await guest.write('run/openrc/softlevel', 'default');
    await guest.program(
      'rc-service',
      `case $1 in --exists) [ "$2" != gone ]; exit ;; esac
case $2 in
status) [ -e "$ROOT/up/$1" ] || exit 3 ;;
stop) rm "$ROOT/up/$1" ;;
start) [ ! -e "$ROOT/broken-$1" ] || { echo "ERROR: $1 failed to start" >&2; exit 1; }; touch "$ROOT/up/$1" ;;
esac`,
    );
  },
  async scripts(guest) {
    for (const name of ['db', 'web', 'mail']) {
      await guest.write(
        `etc/init.d/${name}`,
        `#!/bin/sh
echo "${name} $1" >>"$ROOT/log"
case $1 in
status) [ -e "$ROOT/up/${name}" ] || exit 3 ;;
stop) rm "$ROOT/up/${name}" ;;
# As daemons do: it stays, with whatever it inherited.
start) [ ! -e "$ROOT/broken-${name}" ] || { echo "no ${name}" >&2; exit 1; }; touch "$ROOT/up/${name}"; sleep 20 & ;;
esac`,
        0o755,
      );
    }
  },
};

for (const [manager, prepare] of Object.entries(MANAGERS)) {
  for (const shell of SHELLS) {
    test(`${manager}, by ${shell.join(' ')}: those that run are stopped in order, noted before, and started again`, async (t) => {
      const guest = await folderGuest(t, shell);
      await prepare(guest);
      for (const name of ['db', 'web']) await guest.write(`up/${name}`, '');
      assert.deepEqual(await lookAtServices(guest, NAMES), {
        ...{ db: 'active', web: 'active', mail: 'inactive', gone: 'unknown' },
      });
      const noted: string[][] = [];
      const stopped = await stopServices(guest, NAMES, 10_000, async (running) => {
        noted.push(running);
        assert.notEqual(await guest.read('up/db'), null, 'it was stopped before anybody knew');
      });
      assert.deepEqual(noted, [['db', 'web']]);
      assert.deepEqual(
        stopped.map(({ name, was }) => `${name} ${was}`),
        ['db active', 'web active', 'mail inactive', 'gone unknown'],
      );
      assert.match(stopped[0]!.command!, /db.* stop$|stop .*db$/);
      assert.equal(stopped[2]!.command, null);
      assert.deepEqual([await guest.read('up/db'), await guest.read('up/web')], [null, null]);
      // A second time, as after a kill: nothing runs any more.
      assert.ok(
        (await stopServices(guest, NAMES, 10_000, () => Promise.resolve())).every(({ command }) => command === null),
      );
      await guest.write('broken-web', '');
      const began = performance.now();
      const started = await startServices(guest, ['db', 'web'], 10_000);
      assert.ok(performance.now() - began < 10_000, 'it waited for the daemon itself');
      assert.equal(started[0]!.error, null);
      assert.match(started[1]!.error!, /does not start \(status 1\): .*web/);
      assert.notEqual(await guest.read('up/db'), null);
      assert.deepEqual(await startServices(guest, [], 10_000), []);
    });
  }
}

test('a service that does not stop is named, with what its manager says, and those before it are stopped', async (t) => {
  const guest = await folderGuest(t);
  await MANAGERS['scripts']!(guest);
  for (const name of ['db', 'web']) await guest.write(`up/${name}`, '');
  const stubborn = (stop: string) =>
    guest.write('etc/init.d/web', `#!/bin/sh\ncase $1 in stop) ${stop} ;; esac\nexit 0`, 0o755);
  const refused = (message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof VmferryError && error.code === 'GuestUnwilling', String(error));
    assert.match(error.message, message);
    assert.match(error.remedy ?? '', /by hand/);
    return true;
  };
  const stop = () => stopServices(guest, ['db', 'web'], 1_000, () => Promise.resolve());
  await stubborn("echo 'still in use'");
  await assert.rejects(stop(), refused(/cannot stop the services of the guest: web is still active .*still in use/));
  assert.equal(await guest.read('up/db'), null);
  await stubborn('sleep 20');
  await assert.rejects(stop(), refused(/web did not stop within 1 s/));
  await guest.write('etc/init.d/web', '#!/bin/sh\nexit 4', 0o755);
  await assert.rejects(stop(), (error) => error instanceof VmferryError && /whether web runs/.test(error.message));
});

test('a guest without a manager of services says so', async (t) => {
  await assert.rejects(lookAtServices(await folderGuest(t), ['db']), /neither systemd nor OpenRC nor \/etc\/init\.d/);
});
