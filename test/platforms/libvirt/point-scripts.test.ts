import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunResult } from '../../../src/exec/host.js';
import { LocalHost } from '../../../src/exec/local.js';
import { ATTACH, BEGIN, END } from '../../../src/platforms/libvirt/point-scripts.js';
import { THAW, WATCH_JOB } from '../../../src/platforms/libvirt/point-watch.js';

/**
 * The scripts of a point in time, stopped and starved between their lines. virsh is a fake with two facts, whether the
 * guest is frozen and whether a job runs; it leaves out QEMU, the agent, and all that can be wrong with them.
 */

const NAME = 'vmferry-0123456789ab-1';
const UUID = '11111111-2222-3333-4444-555555555555';
const machine = new LocalHost();

const VIRSH = `#!/bin/sh
while [ "\${1#--}" != "$1" ]; do [ "$1" = --connect ] && shift; shift; done
cd "$FAKE" && echo "$1" >>log
hit() { if [ -e "$1" ]; then kill -"$(cat "$1")" "$BEGIN_PID"; rm -f "$1"; fi; }
hit "before-$1"
case $1 in
backup-dumpxml) [ -e job ] && cat job && exit 0; echo 'error: no domain backup job present' >&2; exit 1 ;;
domfsfreeze) touch frozen; echo 'Froze 1 filesystem(s)' ;;
domfsthaw) [ ! -e off ] || { echo 'error: Requested operation is not valid: domain is not running' >&2; exit 1; }
  rm -f frozen; echo 'Thawed 1 filesystem(s)' ;;
backup-begin) [ ! -e slow ] || /bin/sleep 1
  echo "<server socket='/s/${NAME}/nbd.sock'/>" >job ;;
domjobabort) n=$(cat stubborn 2>/dev/null || echo 0)
  if [ "$n" -gt 0 ]; then echo $((n - 1)) >stubborn; echo 'error: cannot acquire state change lock' >&2; exit 1; fi
  rm -f job ;;
esac
hit "after-$1"
exit 0
`;

interface Bench {
  /** Programs that stand before the system's. */
  bin: string;
  /** What the fake knows: `frozen`, `job`, `log`. */
  fake: string;
  folder: string;
  scratch: string;
  points: string;
  run: (script: string, ...args: string[]) => Promise<RunResult>;
  begin: (options?: { lease?: string; thawSeconds?: string }) => Promise<RunResult>;
  has: (fact: string) => boolean;
}

async function bench(t: TestContext, points?: string): Promise<Bench> {
  const base = await mkdtemp(join(tmpdir(), `vmferry 'points' -`));
  const fake = join(base, 'fake');
  const bin = join(base, 'bin');
  const scratch = join(base, 'scratch');
  const stateful = points ?? join(base, 'points');
  const folder = join(stateful, NAME);
  for (const each of [fake, bin, scratch]) await mkdir(each);
  await writeFile(join(bin, 'virsh'), VIRSH);
  await writeFile(join(bin, 'sleep'), '#!/bin/sh\nexec /bin/sleep 0.05\n');
  for (const each of ['virsh', 'sleep']) await chmod(join(bin, each), 0o755);
  t.after(async () => {
    // The watchdogs end with the folder.
    await rm(folder, { recursive: true, force: true });
    await sleep(300);
    await rm(base, { recursive: true, force: true });
  });
  const env = [`PATH=${bin}:/usr/sbin:/usr/bin:/sbin:/bin`, `FAKE=${fake}`];
  const run = (script: string, ...args: string[]) => {
    const start = 'export BEGIN_PID=$$; exec sh -c "$@"';
    return machine.run('env', [...env, 'sh', '-c', start, 'sh', script, 'sh', ...args], {
      okExitCodes: [0, 1, 44],
      timeoutMs: 30_000,
    });
  };
  const begin = ({ lease = '60', thawSeconds = '1' } = {}) => {
    const first = ['test:///default', UUID, NAME, scratch, folder, '1048576', lease, 'auto', thawSeconds];
    return run(BEGIN, ...first, WATCH_JOB, THAW, '{}', '<domainbackup/>', '<domaincheckpoint/>', '0:0');
  };
  return { bin, fake, folder, scratch, points: stateful, run, begin, has: (fact) => existsSync(join(fake, fact)) };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 15_000; !condition(); await sleep(50)) assert.ok(Date.now() < deadline, what);
}

async function end({ run, points, scratch }: Bench): Promise<void> {
  const { exitCode, stderr } = await run(END, 'test:///default', UUID, scratch, points, NAME);
  assert.equal(exitCode, 0, stderr);
}

const STEPS = ['domfsfreeze', 'backup-begin', 'domfsthaw'];

for (const step of STEPS) {
  for (const when of ['before', 'after']) {
    for (const thawSeconds of ['0', '1', '20']) {
      test(`killed ${when} ${step}, thawed after ${thawSeconds} s: the guest goes on, and the job ends with its lease`, async (t) => {
        const at = await bench(t);
        await writeFile(join(at.fake, `${when}-${step}`), 'KILL');
        // Where the thaw comes before the freeze, nothing is frozen; then it ends as it would.
        await at.begin({ lease: '1', thawSeconds }).catch(() => undefined);
        await until(() => !at.has('frozen') && !existsSync(join(at.folder, 'frozen')), 'it stays frozen');
        await until(() => existsSync(join(at.folder, 'ended')), 'its watchdog does not end it');
        await until(() => !at.has('job') && !existsSync(join(at.scratch, NAME)), 'its job or scratch stays');
        await end(at);
        assert.deepEqual(await readdir(at.points), [`${UUID}.lock`]);
      });
    }
  }
}

test('a freeze that is held up until its time is over is not begun, which is said', async (t) => {
  const at = await bench(t);
  // What asks for it comes late.
  const held = '#!/bin/sh\n[ "$2" != 12 ] || /bin/sleep 1\nexec /usr/bin/flock "$@"\n';
  await writeFile(join(at.bin, 'flock'), held, { mode: 0o755 });
  const { stdout } = await at.begin({ thawSeconds: '0' });
  assert.match(stdout, /^froze failed$/m);
  assert.match(stdout, /^unquiesced not quiesced: the time for it was over before it began$/m);
  assert.match(stdout, /^status 0$/m);
  assert.doesNotMatch(readFileSync(join(at.fake, 'log'), 'utf8'), /domfsfreeze/);
  await end(at);
});

test('a worker or connection that leaves in the middle of a freeze does not prolong it', async (t) => {
  for (const signal of ['TERM', 'HUP', 'PIPE', 'INT']) {
    const at = await bench(t);
    await writeFile(join(at.fake, 'after-domfsfreeze'), signal);
    const { stdout } = await at.begin();
    assert.match(stdout, /^froze yes$/m);
    assert.match(stdout, /^status 0$/m);
    assert.equal(at.has('frozen'), false);
    assert.equal(readFileSync(join(at.folder, 'froze'), 'utf8'), 'yes\n\n');
    await end(at);
  }
});

test('of two that take the same point one does, and another hears of it only when the guest goes on', async (t) => {
  const at = await bench(t);
  await writeFile(join(at.fake, 'slow'), '');
  const begin = () => at.begin({ thawSeconds: '600' });
  const both = [begin(), begin()];
  await until(() => at.has('frozen'), 'nobody takes it');
  const attached = await at.run(ATTACH, 'test:///default', UUID, NAME, at.scratch, at.folder, '0', '60', WATCH_JOB);
  assert.equal(at.has('frozen'), false);
  assert.match(attached.stdout, /^20\S+Z\nyes\n/);
  const said = (await Promise.all(both)).map(({ stdout }) => /^status (.*)$/m.exec(stdout)?.[1]);
  assert.deepEqual(said.sort(), ['0', 'again']);
  await end(at);
});

test('on a full disk nothing is frozen whose thaw could not be noted, and it is said that there is no room', async (t) => {
  const seen = new Set<string>();
  for (let pages = 1; pages <= 8; pages++) {
    const small = await mkdtemp(join(tmpdir(), 'vmferry-points-'));
    await machine.run('mount', ['-t', 'tmpfs', '-o', `size=${pages * 4}k`, 'vmferry-test', small]);
    try {
      const at = await bench(t, small);
      const { exitCode, stderr } = await at.begin();
      if (exitCode === 0) seen.add('taken');
      else {
        assert.match(stderr, /No space left on device/);
        assert.doesNotMatch(readFileSync(join(at.fake, 'log'), 'utf8'), /domfsfreeze/);
        assert.equal(existsSync(join(at.scratch, NAME)), false);
        seen.add('refused');
      }
      assert.equal(at.has('frozen'), false);
      await end(at);
      assert.deepEqual(await readdir(small), [`${UUID}.lock`]);
    } finally {
      await sleep(300);
      await machine.run('umount', ['-l', small]);
      await rm(small, { recursive: true });
    }
  }
  assert.deepEqual([...seen].sort(), ['refused', 'taken']);
});

/** Ends with the job; `lease` in seconds. */
function watch(at: Bench, lease: string): Promise<RunResult> {
  return at.run(WATCH_JOB, 'test:///default', UUID, NAME, at.scratch, at.folder, '0', lease);
}

async function standing(at: Bench): Promise<string> {
  await mkdir(at.folder, { recursive: true });
  await mkdir(join(at.scratch, NAME));
  await writeFile(join(at.fake, 'job'), `<server socket='/s/${NAME}/nbd.sock'/>`);
  await writeFile(join(at.folder, 'lease'), '');
  return join(at.folder, 'lease');
}

test('a clock that is set back does not keep a job whose worker is gone, nor one set forward end it', async (t) => {
  const gone = await bench(t);
  const future = new Date(Date.now() + 86_400_000);
  await utimes(await standing(gone), future, future);
  await watch(gone, '1');
  assert.equal(readFileSync(join(gone.folder, 'ended'), 'utf8'), 'lease');
  assert.equal(gone.has('job'), false);

  const alive = await bench(t);
  const lease = await standing(alive);
  const watching = watch(alive, '1');
  for (const deadline = Date.now() + 4_000; Date.now() < deadline; await sleep(200)) {
    // As seen by a clock that is a day ahead of when it was touched.
    const past = new Date(Date.now() - 86_400_000);
    await utimes(lease, past, past);
  }
  assert.equal(existsSync(join(alive.folder, 'ended')), false);
  await rm(lease);
  await watching;
  assert.equal(readFileSync(join(alive.folder, 'ended'), 'utf8'), 'lease');
});

test('a watchdog does not leave before its job has ended, nor when space cannot be told', async (t) => {
  const at = await bench(t);
  const lease = await standing(at);
  await writeFile(join(at.fake, 'stubborn'), '30');
  await rm(at.scratch, { recursive: true });
  const watching = watch(at, '60');
  await sleep(1_000);
  assert.equal(existsSync(join(at.folder, 'ended')), false);
  assert.equal(at.has('job'), true);
  await rm(lease);
  await watching;
  assert.equal(at.has('job'), false);
});

test('ending a point kills no stranger that has the number of an export, and in the end one that does not listen', async (t) => {
  const at = await bench(t);
  await mkdir(at.folder, { recursive: true });
  const start = (command: string, ...args: string[]) =>
    machine.run('sh', ['-c', 'setsid "$@" >/dev/null 2>&1 </dev/null & echo $!', 'sh', command, ...args]);
  const stranger = (await start('sleep', '60')).stdout.trim();
  await writeFile(join(at.folder, 'vda.pid'), stranger);
  const deaf = 'trap "" TERM; while :; do sleep 1; done';
  const stubborn = (await start('sh', '-c', deaf, 'x', join(at.folder, 'vdb.pid'))).stdout.trim();
  await writeFile(join(at.folder, 'vdb.pid'), stubborn);
  await end(at);
  const runs = (pid: string) => (existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '');
  assert.match(runs(stranger), /^sleep/);
  assert.equal(runs(stubborn), '');
  assert.equal(existsSync(at.folder), false);
  process.kill(Number(stranger));
});

test('a freeze of a VM that was switched off meanwhile is over', async (t) => {
  const at = await bench(t);
  await mkdir(at.folder, { recursive: true });
  await writeFile(join(at.folder, 'frozen'), 'token');
  await writeFile(join(at.fake, 'off'), '');
  await at.run(THAW, 'test:///default', UUID, at.folder, 'token', '0');
  assert.equal(existsSync(join(at.folder, 'frozen')), false);
  await writeFile(join(at.folder, 'frozen'), 'token');
  await end(at);
  assert.equal(existsSync(at.folder), false);
});
