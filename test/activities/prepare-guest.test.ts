import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityDeps, Site } from '../../activities/deps.js';
import type { MigrationActivities } from '../../activities/io.js';
import { prepareGuestActivities } from '../../activities/prepare-guest.js';
import { VmferryError } from '../../src/errors.js';
import type { ClaimNotes } from '../../src/platforms/platform.js';
import { folderGuest } from '../guest/prepare/guest.js';

/** The activities over a guest that is a folder, with scripts for its services, at a site that is nothing but a claim. */

const ref = { migrationId: '0123456789ab', vm: 'web01', source: 'dc-old', target: 'dc-new', targetName: 'web01' };

async function scene(t: TestContext) {
  const guest = await folderGuest(t);
  for (const name of ['db', 'web', 'mail']) {
    const body = `case $1 in status) [ -e "$ROOT/up-${name}" ] || exit 3 ;; stop) rm "$ROOT/up-${name}" ;; start) touch "$ROOT/up-${name}" ;; esac`;
    await guest.write(`etc/init.d/${name}`, `#!/bin/sh\n${body}\n`, 0o755);
  }
  for (const name of ['db', 'web']) await guest.write(`up-${name}`, '');
  const claim: { migrationId: string } & ClaimNotes = { migrationId: ref.migrationId };
  const state = { runs: true, answers: true };
  const site: Partial<Record<keyof Site, unknown>> = {
    readClaim: () => Promise.resolve({ ...claim }),
    noteInClaim: (_vm: string, _id: string, notes: ClaimNotes) => Promise.resolve(Object.assign(claim, notes)),
    runState: () => Promise.resolve({ state: state.runs ? 'running' : 'off', instance: '1', autostart: true }),
    agentFacts: () =>
      Promise.resolve(state.answers ? { os: 'debian', mayExec: true, mayTrim: true, mayLook: true } : null),
    // Our scripts take the guest's root as an argument.
    guestExec: (
      _vm: string,
      [shell, dash, script, name, , ...args]: [string, ...string[]],
      options: { timeoutMs: number },
    ) => guest.exec([shell, dash!, script!, name!, guest.root, ...args], options),
  };
  const activities = prepareGuestActivities({ site: () => site } as unknown as ActivityDeps);
  const run = <N extends keyof typeof activities>(
    name: N,
    input: Omit<Parameters<MigrationActivities[N]>[0], keyof typeof ref>,
  ) => {
    type Result = Awaited<ReturnType<MigrationActivities[N]>>;
    const activity = activities[name] as (given: object) => Promise<Result>;
    return new MockActivityEnvironment().run<[object], Result, typeof activity>(activity, { ...ref, ...input });
  };
  const up = async () =>
    (
      await Promise.all(
        ['db', 'web', 'mail'].map(async (name) => ((await guest.read(`up-${name}`)) === null ? '' : name)),
      )
    )
      .join(' ')
      .trim();
  return { guest, claim, state, run, up };
}

const stop = { services: ['db', 'web', 'mail'], timeoutMs: 5_000 };
const back = { services: [], timeoutMs: 5_000, traces: true, giveUp: false };

test('services are noted and stopped; a try after a kill knows them still, and they alone are started again', async (t) => {
  const { guest, claim, run, up } = await scene(t);
  // The first try was killed when it had noted both and stopped one.
  claim.stoppedServices = 'db web';
  await guest.exec(['/bin/sh', '-c', 'rm "$ROOT/up-db"'], { timeoutMs: 5_000 });
  const records = await run('stopServices', stop);
  assert.deepEqual(
    records.map(({ subject, result, commands }) => `${subject}: ${result}${commands.length > 0 ? ', now' : ''}`),
    ['db: stopped, by an earlier try', 'web: stopped, now', 'mail: it did not run'],
  );
  assert.deepEqual([await up(), claim.stoppedServices], ['', 'db web']);
  const { services, stays } = await run('putBackGuest', back);
  assert.deepEqual([services.map(({ name, error }) => `${name} ${error}`), stays], [['db null', 'web null'], null]);
  assert.deepEqual([await up(), claim.stoppedServices], ['db web', '']);
});

test('what a stranger wrote into the claim is not run in the guest', async (t) => {
  const { claim, run, up } = await scene(t);
  claim.stoppedServices = 'mail -x ../../bin/sh $(id) qemu-ga';
  assert.deepEqual((await run('putBackGuest', back)).services, [{ name: 'mail', error: null }]);
  assert.equal(await up(), 'db web mail');
});

test('a guest that does not run is told at once, and what is to be started stays noted', async (t) => {
  const { claim, state, run, up } = await scene(t);
  claim.stoppedServices = 'mail';
  state.runs = false;
  assert.deepEqual((await run('putBackGuest', back)).services, [{ name: 'mail', error: 'the guest does not run' }]);
  assert.deepEqual([await up(), claim.stoppedServices], ['db web', 'mail']);
});

test('where nothing but notes in /run is left, a guest that does not answer is not waited for', async (t) => {
  const { state, run } = await scene(t);
  state.answers = false;
  assert.deepEqual(await run('putBackGuest', back), { services: [], removed: [], stays: null });
});

test('virtio is noted before the guest is changed, and not where it cannot be asked', async (t) => {
  const { guest, claim, run } = await scene(t);
  await assert.rejects(
    run('prepareGuest', { step: { kind: 'virtio-in-initramfs' } }),
    (error) => error instanceof VmferryError && /neither initramfs-tools nor dracut/.test(error.message),
  );
  assert.equal(claim.addedVirtio, 'yes');
  delete claim.addedVirtio;
  guest.exec = () => Promise.reject(new VmferryError('GuestUnwilling', 'cannot ask'));
  await assert.rejects(run('prepareGuest', { step: { kind: 'virtio-in-initramfs' } }), /cannot ask/);
  assert.equal(claim.addedVirtio, undefined);
});
