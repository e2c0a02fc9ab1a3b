import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitForGuest } from '../../lab/guest/guest.js';
import type { MigrateVmInput } from '../../src/request/migrate-vm.js';
import { copies } from './follow.js';
import { AUTOMATIC, MIB, Scene, SLOW } from './scene.js';

/** The target boots and is plugged in, and then waits for a service that is not there. */
const NEVER_PASSES = {
  ...AUTOMATIC,
  probes: [{ kind: 'agent' }, { kind: 'tcp', port: 9, within: '30m' }],
} satisfies Partial<MigrateVmInput>;

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a Temporal server that is started again during a pass finds the migration where it was', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const run = await scene.world.migrate('web01', SLOW, 'server');
  await copies(run, 24 * MIB);
  await scene.world.restartTemporal();
  const again = await scene.world.follow('server');
  await again.phase('seeding');
  await again.update('setBandwidth', { rate: null });
  await scene.completes(again);
});

test('a link that is cut during a pass and healed is gone over', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const run = await scene.world.migrate('web01', SLOW, 'link');
  await copies(run, 24 * MIB);
  await scene.world.lab.new.link.cut();
  await sleep(8_000);
  await scene.world.lab.new.link.heal();
  await run.until('past the seed, or in need of a hand', (status) => status.passCount > 0 || status.error !== null);
  await scene.world.resumeIfAsked(run);
  await run.until('past the seed', (status) => status.passCount > 0);
  await run.update('setBandwidth', { rate: null });
  await scene.completes(run);
});

test("the server of the replica's disk killed during a pass is started again", async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const run = await scene.world.migrate('web01', SLOW, 'nbd');
  await copies(run, 24 * MIB);
  await scene.world.lab.new.host.run('pkill', ['-9', '-x', 'qemu-nbd']);
  await run.until('past the seed', (status) => status.passCount > 0);
  await run.update('setBandwidth', { rate: null });
  await scene.completes(run);
});

test('a target out of reach when the cutover fails keeps the source down until it is seen, then the source runs', async () => {
  await scene.begin();
  const run = await scene.world.migrate('web01', NEVER_PASSES, 'unreachable');
  await run.phase('validating');
  await run.until('plugged', ({ probes }) => probes.length > 0);
  await scene.world.lab.new.link.cut();
  try {
    await run.update('undoCutover', { by: 'ann', discardTargetWrites: true });
    await run.phase('needs-attention');
    await scene.isOff('old');
  } finally {
    await scene.world.lab.new.link.heal();
  }
  await run.update('resume');
  await scene.ends(run, 'rolled-back');
  await scene.isBack();
});

test('a target out of reach that a human declares down is left as it is, and the source runs', async () => {
  const guest = await scene.begin();
  const run = await scene.world.migrate('web01', NEVER_PASSES, 'declared');
  await run.phase('validating');
  await run.until('plugged', ({ probes }) => probes.length > 0);
  await scene.world.lab.new.link.cut();
  try {
    await run.update('undoCutover', { by: 'ann', discardTargetWrites: true });
    await run.phase('needs-attention');
    await scene.isOff('old');
    await assert.rejects(run.update('confirmSiteDown', { side: 'source' }));
    // What the human has seen to before saying so.
    await scene.world.virsh('new', 'destroy', 'web01');
    await run.update('confirmSiteDown', { side: 'target', by: 'ann', comment: 'switched off by hand' });
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    assert.match(await scene.world.virsh('old', 'dominfo', 'web01'), /Autostart:\s+enable/);
    await waitForGuest(scene.world.lab.old, guest, 300_000);
    assert.deepEqual(await scene.ran.stop(), []);
    // Nobody could look at the target: its resources stay in the ledger, and those of the source do not.
    const left = status.ledger.filter(({ removedAt }) => removedAt === null);
    assert.deepEqual([...new Set(left.map(({ kind, site }) => `${kind} ${site}`))].sort(), [
      'domain dc-new',
      'replica dc-new',
    ]);
    assert.ok(status.trail.some(({ name, by, accepted }) => name === 'confirmSiteDown' && by === 'ann' && accepted));
  } finally {
    await scene.world.lab.new.link.heal();
  }
});

test('a source out of reach before the target is plugged in keeps it unplugged until a human declares it down', async () => {
  await scene.begin();
  const run = await scene.world.migrate('web01', { ...AUTOMATIC, probes: [{ kind: 'agent' }] }, 'source-lost');
  await run.phase('validating');
  // Well before the agent of the guest that boots can answer.
  await scene.world.lab.old.link.cut();
  try {
    const waiting = await run.phase('needs-attention');
    assert.equal(waiting.error?.code, 'SourceLost');
    const [nic] = (await scene.world.virsh('new', 'domiflist', 'web01')).match(/52:54:00:\S+/) ?? [];
    assert.match(await scene.world.virsh('new', 'domif-getlink', 'web01', nic!), /down/);
    await run.update('confirmSiteDown', { side: 'source', by: 'ann', comment: 'the rack is without power' });
    await run.phase('awaiting-acceptance');
    assert.match(await scene.world.virsh('new', 'domif-getlink', 'web01', nic!), /up/);
  } finally {
    await scene.world.lab.old.link.heal();
  }
  await scene.completes(run);
});
