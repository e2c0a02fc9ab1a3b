import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Site } from '../../activities/deps.js';
import { readinessOf } from '../../activities/inside-guest.js';
import { VmferryError } from '../../src/errors.js';
import { check, RULES } from '../../src/checks/index.js';
import type { GuestReadiness } from '../../src/model/guest-inside.js';
import type { LibvirtConnection } from '../../src/platforms/libvirt/connect.js';
import { agentFacts, guestFilesystems } from '../../src/platforms/libvirt/guest-inside.js';
import { prepareGuest, type PrepareGuest } from '../../src/request/prepare-guest.js';
import { FSINFO, FSINFO_OLD, INFO, INFO_BLOCKED, OS_DEBIAN, OS_WINDOWS } from '../guest/prepare/agent-answers.js';
import { folderGuest, type FolderGuest } from '../guest/prepare/guest.js';
import { disk, factsOf, type Given } from './facts.js';

/**
 * The rules about preparation: the agent's answers were captured, what runs in the guest are our scripts in a folder, and both
 * are read as an assessment reads them.
 */

interface Guest {
  /** Answers by command; an agent that gives none does not answer. */
  agent?: Record<string, string>;
  shape?: (guest: FolderGuest) => Promise<void>;
}
const AGENT = { 'guest-info': INFO, 'guest-get-osinfo': OS_DEBIAN, 'guest-get-fsinfo': FSINFO };

async function readiness(
  t: TestContext,
  asked: PrepareGuest,
  { agent = AGENT, shape }: Guest,
): Promise<GuestReadiness> {
  const guest = await folderGuest(t);
  for (const [name, status] of Object.entries({ db: 0, mail: 3, odd: 4 }))
    await guest.write(`etc/init.d/${name}`, `#!/bin/sh\nexit ${status}\n`, 0o755);
  await shape?.(guest);
  const run = (args: readonly string[]) => {
    const { execute } = JSON.parse(args.at(-1) ?? '') as { execute: string };
    const answer = agent[execute];
    const stderr = 'error: Guest agent is not responding: QEMU guest agent is not connected';
    if (answer === undefined) throw new VmferryError('ToolFailed', 'cannot run virsh', { details: { stderr } });
    return Promise.resolve(answer);
  };
  const at = { virsh: { uuid: () => Promise.resolve('1'), run } } as unknown as LibvirtConnection;
  const site = {
    agentFacts: (vm: string) => agentFacts(at, vm),
    guestFilesystems: (vm: string) => guestFilesystems(at, vm),
    // Our scripts take the guest's root as an argument.
    guestExec: (_vm: string, [sh, c, script, name, , ...args]: [string, ...string[]], options: { timeoutMs: number }) =>
      guest.exec([sh, c!, script!, name!, guest.root, ...args], options),
  } as unknown as Site;
  const ref = { migrationId: '0123456789ab', vm: 'web01', source: 'a', target: 'b', targetName: 'web01' };
  return await new MockActivityEnvironment().run(() => readinessOf(site, ref, asked));
}

type Case = [asked: Partial<PrepareGuest>, guest?: Guest, given?: Partial<Given>];
const BLOCKED: Guest = { agent: { ...AGENT, 'guest-info': INFO_BLOCKED } };
const WINDOWS: Guest = { agent: { ...AGENT, 'guest-get-osinfo': OS_WINDOWS } };
const OLD: Guest = { agent: { ...AGENT, 'guest-get-fsinfo': FSINFO_OLD } };
const VIRTIO = { virtioInInitramfs: true };
const builder = (image: string | null): Guest => ({
  shape: async (guest) => {
    await guest.write('etc/dracut.conf.d/10-own.conf', '');
    await guest.program('dracut', '');
    await guest.write('lib/modules/6.1.0/modules.dep', '');
    if (image !== null) await guest.write(image, '');
  },
});
/** Alpine has a program of its own for it, and Arch another. */
const ALPINE: Guest = {
  shape: async (guest) => {
    await guest.program('mkinitfs', '');
    await guest.write('lib/modules/6.6.58-0-lts/modules.dep', '');
    await guest.write('boot/initramfs-lts', '');
  },
};
const DISCARDING = disk().replace("type='qcow2'", "type='qcow2' discard='unmap'");

const CASES: Record<string, [fires: Case, not: Case]> = {
  'warning prepare.off': [[{ freeSpace: ['package-caches'] }, {}, { running: false }], [{ trim: true }]],
  'blocking prepare.agent-missing': [[{ trim: true }, { agent: {} }], [{ trim: true }]],
  'blocking prepare.agent-blocks': [
    [{ beforePoint: [{ run: ['sync'], timeout: '1s' }], trim: true, minFree: '1GiB' }, BLOCKED],
    [{ beforePoint: [{ run: ['sync'], timeout: '1s' }], trim: true, minFree: '1GiB' }],
  ],
  'blocking prepare.windows': [
    [{ stopServices: ['db'] }, WINDOWS],
    [{ trim: true, minFree: '1GiB' }, WINDOWS],
  ],
  'blocking prepare.service-unknown': [[{ stopServices: ['gone'] }], [{ stopServices: ['db'] }]],
  'warning prepare.service-unclear': [[{ stopServices: ['odd'] }], [{ stopServices: ['db'] }]],
  'info prepare.service-off': [[{ stopServices: ['mail'] }], [{ stopServices: ['db'] }]],
  'blocking prepare.no-initramfs': [
    [VIRTIO, ALPINE],
    [VIRTIO, builder('boot/initramfs-6.1.0.img')],
  ],
  'blocking prepare.space-low': [[{ minFree: '80GiB' }], [{ minFree: '70GiB' }]],
  'warning prepare.space-low': [
    [{ minFree: '80GiB', freeSpace: ['package-caches'] }],
    [{ minFree: '70GiB', freeSpace: ['package-caches'] }],
  ],
  'warning prepare.trim-idle': [[{ trim: true }, {}, { disks: disk() }], [{ trim: true }]],
};

async function found(t: TestContext, [asked, guest = {}, given = {}]: Case) {
  const parsed = prepareGuest.parse(asked);
  const inside = given.running === false ? null : await readiness(t, parsed, guest);
  return check(factsOf({ request: { prepareGuest: parsed }, readiness: inside, disks: DISCARDING, ...given }));
}
const lines = async (t: TestContext, each: Case) =>
  (await found(t, each)).map(({ id, severity }) => `${severity} ${id}`);

for (const [expected, [fires, not]] of Object.entries(CASES)) {
  test(`check: ${expected}`, async (t) => {
    assert.deepEqual(await lines(t, fires), [expected]);
    for (const { message, remedy } of await found(t, fires)) assert.match(`${message}\n${remedy}`, /[.?]\n[^]*[.?]$/);
    assert.deepEqual(await lines(t, not), []);
  });
}

test('what is blocked is named, and what cannot be told is a warning', async (t) => {
  const [blocked] = await found(t, [{ trim: true, minFree: '1GiB', stopServices: ['db'] }, BLOCKED]);
  assert.match(blocked!.message, /guest-exec, guest-exec-status, guest-fstrim, guest-get-fsinfo/);
  // What RHEL 9.4 has is a list of what is allowed, where nothing can be taken out.
  assert.match(blocked!.remedy, /out of BLACKLIST_RPC, BLOCK_RPCS or --block-rpcs, or add it to --allow-rpcs/);
  assert.deepEqual(await lines(t, [{ minFree: '1GiB' }, OLD]), ['warning prepare.space-low']);
});

test('an initramfs that nothing can be built for is told apart from one that nothing builds', async (t) => {
  const messages = async (guest: Guest) => (await found(t, [VIRTIO, guest])).map(({ message }) => message);
  assert.match((await messages(ALPINE)).join(), /has neither initramfs-tools nor dracut\.$/);
  assert.match((await messages(builder(null))).join(), /no initramfs that dracut builds was found in its \/boot\.$/);
  // Where nobody may look, that is said instead.
  assert.deepEqual(await lines(t, [VIRTIO, BLOCKED]), ['blocking prepare.agent-blocks']);
});

test('every rule about preparation has a case', () => {
  const ids = RULES.map(({ id }) => id).filter((id) => id.startsWith('prepare.'));
  assert.deepEqual([...new Set(Object.keys(CASES).map((each) => each.split(' ')[1]!))].sort(), ids.sort());
});
