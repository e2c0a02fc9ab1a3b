import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

const automatic = { cutover: { approval: 'automatic' as const }, rehearsal: { enabled: false } };
const everything = {
  ...{ freeSpace: ['package-caches' as const], virtioInInitramfs: true, trim: true, minFree: '1GiB' },
  stopServices: ['db', 'web', 'mail'],
};

function worldWith(...services: string[]): FakeWorld {
  const world = new FakeWorld();
  for (const name of services) world.services.add(name);
  return world;
}

test('what is asked for is done before the first pass, the services are stopped before the guest, and all is reported', async () => {
  const world = worldWith('db', 'web');
  await environment.migrate(world, { ...automatic, prepareGuest: everything }, async (run) => {
    const { preparation } = await run.phase('awaiting-acceptance');
    assert.deepEqual(world.prepared, ['free-space', 'virtio-in-initramfs', 'trim', 'check-space']);
    const order = (name: string) => world.calls.indexOf(name);
    assert.ok(order('prepare') < order('prepareGuest') && world.calls.lastIndexOf('prepareGuest') < order('runPass'));
    assert.ok(order('holdSource') < order('stopServices') && order('stopServices') < order('stopSource'));
    assert.deepEqual(
      preparation.map(({ action, subject }) => `${action} ${subject}`.trim()),
      [...world.prepared, 'stop-service db', 'stop-service web', 'stop-service mail'],
    );
    await run.update('acceptTarget');
    assert.equal((await run.result()).outcome, 'completed');
  });
  assert.deepEqual(world.putBacks, []);
  assert.equal(world.reports.at(-1)!.preparation.length, 7);
});

test('a request that asks for nothing in the guest changes nothing there', async () => {
  const world = worldWith('db');
  await environment.migrate(
    world,
    { ...automatic, prepareGuest: { beforePoint: [{ run: ['sync'] }] } },
    async (run) => {
      await run.phase('awaiting-acceptance');
      await run.update('undoCutover', { discardTargetWrites: true });
      await run.result();
    },
  );
  for (const name of ['prepareGuest', 'stopServices', 'putBackGuest']) assert.ok(!world.calls.includes(name), name);
  assert.deepEqual(
    world.passInputs.map(({ kind, commands }) => `${kind} ${commands?.before[0]?.run.join() ?? 'none'}`),
    ['seed sync', 'delta sync', 'delta sync', 'final none'],
  );
});

test('a VM that is off is not prepared', async () => {
  const world = worldWith('db');
  world.sourceRuns = false;
  await environment.migrate(world, { ...automatic, prepareGuest: everything }, async (run) => {
    const { events } = await run.phase('awaiting-acceptance');
    assert.ok(events.some(({ text }) => /is off: nothing is prepared/.test(text)));
  });
  assert.deepEqual([world.prepared, world.services.has('db')], [[], true]);
});

test('an undo starts the services that ran, and removes what was added, once the source runs and while it is claimed', async () => {
  const world = worldWith('db', 'web');
  await environment.migrate(world, { ...automatic, prepareGuest: everything }, async (run) => {
    await run.phase('awaiting-acceptance');
    await run.update('undoCutover', { discardTargetWrites: true });
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    const records = new Map(status.preparation.map((each) => [each.subject || each.action, each]));
    assert.equal(records.get('db')!.putBack, 'started again');
    assert.ok(records.get('web')!.putBackAt !== null && records.get('mail')!.putBackAt === null);
    assert.match(records.get('virtio-in-initramfs')!.putBack!, /x\.conf removed; the initramfs stays/);
  });
  assert.deepEqual([...world.services].sort(), ['db', 'web']);
  assert.deepEqual(world.putBacks, [{ traces: true, giveUp: false }]);
  assert.deepEqual(world.violations, []);
  assert.deepEqual(world.leftovers(), []);
});

test('a cutover that is called off starts the services at once, and the next one stops those that run by then', async () => {
  const world = worldWith('db', 'web');
  world.guestStops = false;
  const cutover = { approval: 'automatic' as const, shutdown: 'graceful' as const, shutdownTimeout: '1s' };
  await environment.migrate(world, { ...automatic, cutover, prepareGuest: everything }, async (run) => {
    await run.until('called off', ({ events }) => events.some(({ text }) => /called off/.test(text)));
    await run.phase('awaiting-approval');
    assert.deepEqual([...world.services].sort(), ['db', 'web']);
    assert.deepEqual(world.putBacks, [{ traces: false, giveUp: false }]);
    // It stops after all, is started again, and so are its services.
    world.sourceRuns = false;
    world.services.clear();
    await run.update('syncNow');
    await run.until('started again', () => world.services.size === 2);
    world.services.delete('web');
    world.guestStops = true;
    await run.update('approveCutover');
    await run.phase('awaiting-acceptance');
    assert.equal(world.services.size, 0);
    await run.update('undoCutover', { discardTargetWrites: true });
    await run.result();
  });
  assert.deepEqual([...world.services], ['db']);
  assert.deepEqual(world.violations, []);
});

test('trouble in the guest waits for a human, before the first pass and before the stop, and an abort puts back', async () => {
  const world = worldWith('db');
  world.fail('prepareGuest', 'GuestUnwilling');
  world.fail('stopServices', 'GuestUnwilling');
  await environment.migrate(world, { ...automatic, prepareGuest: everything }, async (run) => {
    const first = await run.phase('needs-attention');
    assert.equal(first.error?.code, 'GuestUnwilling');
    assert.equal(world.whole, 0);
    await run.update('resume');
    await run.until('stopped at the services', ({ phase, passCount }) => phase === 'needs-attention' && passCount > 0);
    assert.equal(world.sourceRuns, true);
    await run.update('abort');
    assert.equal((await run.result()).outcome, 'aborted');
  });
  assert.equal(world.sourceRuns, true);
  assert.deepEqual(world.putBacks, [{ traces: true, giveUp: false }]);
  assert.deepEqual(world.leftovers(), []);
});

test('a guest that does not answer on the way back is asked about once, and then left to people', async () => {
  const world = worldWith('db');
  world.fail('putBackGuest', 'GuestUnwilling');
  await environment.migrate(world, { ...automatic, prepareGuest: everything }, async (run) => {
    await run.phase('awaiting-acceptance');
    await run.update('undoCutover', { discardTargetWrites: true });
    await run.phase('needs-attention');
    assert.equal(world.sourceRuns, true);
    await run.update('resume');
    assert.equal((await run.result()).outcome, 'rolled-back');
  });
  assert.deepEqual(world.putBacks, [{ traces: true, giveUp: true }]);
});
