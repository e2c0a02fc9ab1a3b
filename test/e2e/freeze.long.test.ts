import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { AUTOMATIC, Scene } from './scene.js';

/** A freeze that nobody ends is over after this (live-point.ts). */
const DEAD_MAN_MS = 10_000;
/** What a busy machine may take on top, for the agent's answer and for the guest to come round. */
const SLACK_MS = 6_000;

/**
 * Waits until the point of the VM $1 is being taken, its guest frozen, and kills then: the workers, and with `script` also
 * what they run at the site. Patterns are written so that this look does not find itself.
 */
const KILL = `
uuid=$1 what=$2; shift 2
look() {
  for file in $(grep -slzx -e 'backup-begi[n]' /proc/[0-9]*/cmdline); do grep -qszx -e "$uuid" "$file" && return 0; done
  return 1
}
until look; do :; done
kill -9 "$@"
[ "$what" = script ] || exit 0
for file in $(grep -slz -e 'domfsfreez[e]' /proc/[0-9]*/cmdline); do
  pid=\${file#/proc/} pid=\${pid%/cmdline}
  [ "$pid" != $$ ] && grep -qszx -e "$uuid" "$file" && kill -9 "$pid"
done
exit 0`;

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

/** Migrates a guest whose worker is killed in the first freeze. @returns the longest time without an acknowledged write. */
async function longestSilenceMs(workflowId: string, what: 'worker' | 'script'): Promise<number> {
  const { world } = scene;
  await scene.begin();
  const uuid = await world.virsh('old', 'domuuid', 'web01');
  const pids = world.workers.map((worker) => String(worker.pid));
  const killed = world.machine.run('sh', ['-c', KILL, 'sh', uuid, what, ...pids], { timeoutMs: 120_000 });
  const run = await world.migrate('web01', AUTOMATIC, workflowId);
  await killed;
  await world.killWorkers();
  await world.startWorker();
  const { passes } = await scene.completes(run);
  assert.equal(passes[0]!.kind, 'seed');
  const numbers = await world.recorder.numbers();
  const since = scene.ran.stretches('old')[0]!.from;
  const times = numbers.map(({ atMs }) => atMs).filter((atMs) => atMs >= since);
  return times.slice(1).reduce((longest, atMs, index) => Math.max(longest, atMs - times[index]!), 0);
}

test('a guest whose worker is killed in a freeze goes on at once: the site ends what it began', async () => {
  const silence = await longestSilenceMs('freeze', 'worker');
  assert.ok(silence < DEAD_MAN_MS, `nothing was written for ${silence} ms`);
});

test("a guest whose freeze lost its worker and its script goes on with the dead man's thaw", async () => {
  const silence = await longestSilenceMs('frozen', 'script');
  assert.ok(silence < DEAD_MAN_MS + SLACK_MS, `nothing was written for ${silence} ms`);
  assert.ok(silence > DEAD_MAN_MS / 2, `the guest was never left frozen: ${silence} ms`);
});
