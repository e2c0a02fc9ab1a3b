import assert from 'node:assert/strict';
import { AUTOMATIC, type Scene } from './scene.js';

/** A freeze that nobody ends is over after this (live-point.ts). */
export const DEAD_MAN_MS = 10_000;

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

/** Migrates a guest whose worker is killed in the first freeze. @returns the longest time without an acknowledged write. */
export async function longestSilenceMs(scene: Scene, workflowId: string, what: 'worker' | 'script'): Promise<number> {
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
