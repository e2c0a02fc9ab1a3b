import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';
import type { BlockReader } from '../../src/blocks/index.js';
import { VmferryError } from '../../src/errors.js';
import type {
  Claim,
  OpenPoint,
  Owner,
  PointRequest,
  SourceSite,
  TargetSite,
  TargetVm,
  VmSite,
} from '../../src/platforms/platform.js';

/**
 * What every platform has to do for what it declares, whatever it is made of. A platform's own test file opens a lab of
 * its own and calls `conformance` with it; what only that platform does is tested beside it.
 */
export interface PlatformLab {
  /** As the registry opens it. */
  site: VmSite & Partial<SourceSite> & Partial<TargetSite>;
  /** A VM that is off, with nothing of vmferry at it: its name there, and its disks, empty at the beginning. */
  vm: string;
  disks: { id: string; sizeBytes: number }[];
  /** A VM that could be built here beside that one. */
  target: Pick<TargetVm, 'description' | 'networks'>;
  /** Writes as the VM's guest would, while it runs; nothing else writes. */
  write: (disk: string, offsetBytes: number, lengthBytes: number, pattern: number) => Promise<void>;
  /** Starts it so that its guest does nothing by itself. */
  start: () => Promise<void>;
  /** After each test: the VM is off and as new again. */
  reset: () => Promise<void>;
  close: () => Promise<void>;
}

const LEAF = 65_536;
const ID = 'c0ffee000001';
const OTHER = 'c0ffee000002';

const ownerOf = (migrationId: string): Owner => ({
  migrationId,
  workflowId: `migrate ${migrationId}`,
  cluster: 'localhost:7233',
  namespace: 'default',
});

const fails = (code: string, words?: string) => (error: unknown) =>
  error instanceof VmferryError &&
  error.code === code &&
  (words === undefined || `${error.message} ${error.remedy ?? ''}`.includes(words));

/** Registers the tests of a platform. `declared`: what its sites can do, known without opening one. */
export function conformance(platform: string, declared: VmSite['abilities'], open: () => Promise<PlatformLab>): void {
  let lab: PlatformLab;
  before(async () => {
    lab = await open();
  });
  afterEach(async () => {
    // Of a test that failed, too.
    await lab.site.undefine?.(ID).catch(() => undefined);
    await lab.site.removeReplica?.(ID).catch(() => undefined);
    await lab.reset();
  });
  after(() => lab.close());
  const named = (sentence: string) => `${platform}: ${sentence}`;

  test(named('a site declares what it can do, and has what it declares'), () => {
    const { abilities } = lab.site;
    assert.deepEqual(abilities, declared);
    assert.equal(typeof lab.site.openPoint === 'function', abilities.source);
    assert.equal(typeof lab.site.createReplica === 'function', abilities.target);
    if (abilities.target) assert.equal(lab.site.packaging === null, abilities.boots);
  });
  vmSite(named, () => lab);
  if (declared.boots) runs(named, () => lab);
  // What runs nothing is claimed by nobody, and is as it lies there at any time: tried beside it.
  if (declared.source && declared.boots) source(named, () => lab as SourceLab, declared);
  if (declared.target) target(named, () => lab as TargetLab);
  if (declared.target && declared.boots) defining(named, () => lab as TargetLab);
  if (declared.target && !declared.boots) packaging(named, () => lab as TargetLab);
}

type Named = (sentence: string) => string;
type SourceLab = PlatformLab & { site: VmSite & SourceSite };
type TargetLab = PlatformLab & { site: VmSite & TargetSite };

function vmSite(named: Named, lab: () => PlatformLab): void {
  test(named('a VM that is not there is told from one that is, and those that exist are named'), async () => {
    const { site, vm } = lab();
    await assert.rejects(site.describe('no-such-vm'), fails('NotFound', vm));
    assert.equal(await site.runState('no-such-vm'), null);
    assert.equal(await site.whereabouts({ name: 'no-such-vm' }, []), null);
    assert.ok((await site.inventory()).some(({ name, state }) => name === vm && state === 'off'));
  });
}

function runs(named: Named, lab: () => PlatformLab): void {
  test(named('a VM is described alike whether it runs or not, disks in order'), async () => {
    const { site, vm, disks, start } = lab();
    const off = await site.describe(vm);
    assert.deepEqual(
      off.disks.map(({ id, sizeBytes }) => ({ id, sizeBytes })),
      disks,
    );
    await start();
    const on = await site.describe(vm);
    // A start may write to an image's own tables.
    const lasting = ({ disks, ...rest }: typeof on) => ({
      ...rest,
      disks: disks.map((disk) => ({ ...disk, allocatedBytes: null })),
    });
    assert.deepEqual(lasting(on), lasting(off));
  });

  test(named('a run of a VM has a name of its own, and a start or a stop may be asked for again'), async () => {
    const { site, vm, start } = lab();
    assert.deepEqual([(await site.runState(vm))?.state, (await site.runState(vm))?.instance], ['off', null]);
    const runs = new Set<string | null | undefined>();
    for (let times = 0; times < 2; times++) {
      await start();
      runs.add((await site.runState(vm))?.instance);
      runs.add((await site.runState(vm))?.instance);
      await site.forceOff(vm);
      await site.forceOff(vm);
    }
    assert.equal(runs.size, 2);
    assert.ok(!runs.has(null));
  });

  test(named('autostart is set and cleared, again and again'), async () => {
    const { site, vm } = lab();
    for (const on of [true, true, false, false]) {
      await site.setAutostart(vm, on);
      assert.equal((await site.runState(vm))?.autostart, on);
    }
  });

  test(named('what is written to a VM that is off shows in its whereabouts; what is read does not'), async () => {
    const { site, vm, disks, start, write } = lab();
    const ids = disks.map(({ id }) => id);
    const before = await site.whereabouts({ name: vm }, ids);
    assert.deepEqual(await site.whereabouts({ id: before!.id }, ids), before);
    await start();
    await write(ids[0]!, 0, LEAF, 5);
    await site.forceOff(vm);
    const written = await site.whereabouts({ id: before!.id }, ids);
    assert.notEqual(written?.disks[ids[0]!], before?.disks[ids[0]!]);
  });
}

function source(named: Named, lab: () => SourceLab, declared: VmSite['abilities']): void {
  const claimOf = (migrationId: string): Claim => ({
    ...ownerOf(migrationId),
    vm: lab().vm,
    claimedAt: '2026-11-22T20:00:00.000Z',
  });
  const request = (n: number, since: number | null): PointRequest => ({
    owner: ownerOf(ID),
    vm: lab().vm,
    disks: lab().disks.map(({ id }) => id),
    checkpoint: `vmferry-${ID}-${n}`,
    since: since === null ? null : `vmferry-${ID}-${since}`,
    quiesce: 'never',
  });

  test(named('one migration has a VM, may claim it again, and is named to all others'), async () => {
    const { site, vm } = lab();
    const outcomes = await Promise.allSettled([ID, OTHER].map((id) => site.claim(vm, claimOf(id))));
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const holder = (await site.readClaim(vm))!.migrationId;
    const loser = holder === ID ? OTHER : ID;
    await site.claim(vm, claimOf(holder));
    await assert.rejects(site.claim(vm, claimOf(loser)), fails('AlreadyClaimed', holder));
    await site.releaseClaim(vm, loser);
    assert.equal((await site.readClaim(vm))?.migrationId, holder);
    assert.ok((await site.listTraces()).some(({ migrationId, claim }) => migrationId === holder && claim !== null));
    await site.releaseClaim(vm, holder);
    await site.releaseClaim(vm, holder);
    assert.equal(await site.readClaim(vm), null);
    assert.deepEqual(await site.listTraces(), []);
  });

  test(
    named('a point in time is one instant, is met again by the same request, and ends without a trace'),
    async () => {
      const { site, vm, disks, start, write } = lab();
      const [first] = disks;
      await start();
      await write(first!.id, LEAF, LEAF, 7);
      const point = await site.openPoint(request(1, null));
      await write(first!.id, LEAF, LEAF, 9);
      assert.equal(await byteAt(point, first!.id, LEAF), 7);
      assert.deepEqual([point.continued, await point.wasReset()], [false, false]);
      await point.keepAlive();
      const again = await site.openPoint(request(1, null));
      assert.deepEqual([again.continued, again.checkpoint, again.takenAt], [true, point.checkpoint, point.takenAt]);
      assert.equal(await byteAt(again, first!.id, LEAF), 7);
      assert.equal(await site.currentPoint(vm, ID), point.checkpoint);
      assert.equal(await site.currentPoint(vm, OTHER), null);
      await point.detach();
      await again.end();
      await site.endPoints(vm, ID);
      await site.endPoints(vm, ID);
      assert.equal(await site.currentPoint(vm, ID), null);
      await site.deleteCheckpoints(vm, ID, []);
      await site.deleteCheckpoints(vm, ID, []);
      assert.deepEqual(await site.listTraces(), []);
    },
  );

  test(named('a later point shows all that changed, or says that it cannot tell'), async () => {
    const { site, disks, start, write } = lab();
    const id = disks[0]!.id;
    await start();
    await (await site.openPoint(request(1, null))).end();
    await write(id, 4 * LEAF, LEAF, 3);
    const delta = await site.openPoint(request(2, 1));
    const { reader, changes } = delta.disks.find((each) => each.id === id)!;
    assert.equal(changes, declared.changeTracking ? 'bitmap' : 'unknown');
    assert.equal(reader.tracksChanges, changes === 'bitmap');
    if (reader.tracksChanges) assert.ok(await isChanged(reader, 4 * LEAF, LEAF));
    assert.equal(await byteAt(delta, id, 4 * LEAF), 3);
    await delta.end();
  });

  test(named('a VM that is off is read as it lies there, and is not started meanwhile'), async () => {
    const { site, vm, disks, start, write } = lab();
    const id = disks[0]!.id;
    await start();
    await (await site.openPoint(request(1, null))).end();
    await write(id, 2 * LEAF, LEAF, 8);
    await site.forceOff(vm);
    const point = await site.openPoint(request(2, 1));
    assert.equal(await byteAt(point, id, 2 * LEAF), 8);
    const { reader } = point.disks.find((each) => each.id === id)!;
    if (reader.tracksChanges) assert.ok(await isChanged(reader, 2 * LEAF, LEAF));
    await assert.rejects(site.start(vm));
    await point.end();
    await site.start(vm);
  });

  test(named('a VM that has moved is marked, once, and only when it is off'), async () => {
    const { site, vm, start } = lab();
    await start();
    await assert.rejects(site.retire(vm, 'moved elsewhere'));
    await site.forceOff(vm);
    await site.retire(vm, 'moved elsewhere');
    await site.retire(vm, 'moved elsewhere');
    assert.equal((await site.runState(vm))?.autostart, false);
  });
}

function target(named: Named, lab: () => TargetLab): void {
  const { specOf, pass, firstByte } = replicas(lab);

  test(named('a replica is made once, and is gone when it is removed, however often'), async () => {
    const { site } = lab();
    assert.equal(await site.readReplica(ID), null);
    const made = await site.createReplica(specOf(ID));
    assert.deepEqual(await site.createReplica(specOf(ID)), made);
    assert.deepEqual(await site.readReplica(ID), made);
    assert.equal(made.whole, null);
    await site.removeReplica(ID);
    await site.removeReplica(ID);
    assert.equal(await site.readReplica(ID), null);
    assert.deepEqual(await site.listOwned(), []);
  });

  test(
    named('a pass is whole or no part of the replica, and an older try is refused while a newer one works'),
    async () => {
      const { site } = lab();
      await site.createReplica(specOf(ID));
      await pass(1, 1);
      assert.equal(await firstByte(), 1);
      const torn = await site.openReplica(ID, 2, 5);
      await torn.notePoint('c2');
      await torn.disks[0]!.data.write(0, Buffer.alloc(LEAF, 2));
      await torn.disks[0]!.data.flush();
      await assert.rejects(site.openReplica(ID, 2, 4), fails('Superseded'), 'a newer try is at work');
      await assert.rejects(site.openReplica(ID, 1, 9), fails('Superseded'), 'that pass is whole');
      await torn.close();
      assert.equal(await firstByte(), 1);
      await site.discardTorn(ID);
      await site.discardTorn(ID);
      assert.equal((await site.readReplica(ID))?.torn, null);
      await pass(3, 3);
      assert.deepEqual((await site.readReplica(ID))?.whole, { pass: 3, checkpoint: 'c3', result: { pattern: 3 } });
      await site.mergeLayers(ID);
      await site.mergeLayers(ID);
      assert.deepEqual((await site.readReplica(ID))?.layers, []);
      assert.equal(await firstByte(), 3);
      await site.noteVerified(ID, 3);
      assert.equal((await site.readReplica(ID))?.verifiedPass, 3);
      await site.removeReplica(ID);
    },
  );

  test(named("what a migration left is removed for its owner, and not for anybody else's migration"), async () => {
    const { site } = lab();
    await site.createReplica(specOf(ID));
    await pass(1, 1);
    await assert.rejects(site.removeLeft({ ...ownerOf(ID), cluster: 'another' }), fails('Superseded'));
    assert.notEqual(await site.readReplica(ID), null);
    await site.removeLeft(ownerOf(ID));
    await site.removeLeft(ownerOf(ID));
    assert.deepEqual(await site.listOwned(), []);
  });
}

/** What a migration does to a replica before its cutover. */
function replicas(lab: () => TargetLab) {
  const vmOf = (migrationId: string): TargetVm => ({
    ...lab().target,
    owner: ownerOf(migrationId),
    name: 'conforming',
  });
  const specOf = (migrationId: string) => {
    const { owner, name, description } = vmOf(migrationId);
    const disks = description.disks.map(({ id, sizeBytes }) => ({
      id,
      sizeBytes,
      format: 'qcow2' as const,
      storage: null,
    }));
    return { owner, targetName: name, disks };
  };
  const pass = async (number: number, pattern: number): Promise<void> => {
    const replica = await lab().site.openReplica(ID, number, 1);
    await replica.notePoint(`c${number}`);
    for (const { data } of replica.disks) {
      await data.write(0, Buffer.alloc(LEAF, pattern));
      await data.flush();
    }
    await replica.seal({ pass: number, checkpoint: `c${number}`, result: { pattern } });
    await replica.close();
  };
  const firstByte = async (): Promise<number> => {
    const replica = await lab().site.openForVerify(ID);
    try {
      return await byteOf(replica.disks[0]!.data, 0);
    } finally {
      await replica.close();
    }
  };
  return { vmOf, specOf, pass, firstByte };
}

function defining(named: Named, lab: () => TargetLab): void {
  const { vmOf, specOf, pass, firstByte } = replicas(lab);

  test(named('a target is defined off, unplugged and unable to start by itself, and undone for good'), async () => {
    const { site } = lab();
    await site.createReplica(specOf(ID));
    await pass(1, 1);
    await site.noteVerified(ID, 1);
    const vm = vmOf(ID);
    const nothing = { nvram: null, tpm: null };
    await site.define(vm, nothing);
    await site.define(vm, nothing);
    assert.deepEqual(await site.runState(vm.name), { state: 'off', instance: null, autostart: false });
    assert.ok((await site.listOwned()).some(({ kind, name }) => kind.endsWith('-target') && name === vm.name));
    await assert.rejects(site.removeReplica(ID), fails('Unsafe'));
    await site.undefine(ID);
    await site.undefine(ID);
    assert.equal(await site.runState(vm.name), null);
    await assert.rejects(site.define(vm, nothing), fails('Superseded'));
    assert.equal(await firstByte(), 1, 'the replica is as it was');
    await site.removeReplica(ID);
  });
}

function packaging(named: Named, lab: () => TargetLab): void {
  const { vmOf, specOf, pass, firstByte } = replicas(lab);

  test(named('a package is seen by nobody, proved by what it holds, and undone for good'), async () => {
    const { site } = lab();
    const work = { onProgress: () => undefined };
    const [vm, plan, nothing] = [vmOf(ID), { kind: 'ova', diskFormat: 'vmdk' } as const, { nvram: null, tpm: null }];
    await site.createReplica(specOf(ID));
    await assert.rejects(site.packaging!.write(vm, nothing, plan, work), fails('Unsafe'), 'nothing is whole');
    await pass(1, 1);
    await assert.rejects(site.packaging!.write(vm, nothing, plan, work), fails('Unsafe'), 'nothing is verified');
    await site.noteVerified(ID, 1);
    await site.packaging!.write(vm, nothing, plan, work);
    await site.packaging!.write(vm, nothing, plan, work);
    assert.equal(await site.runState(vm.name), null);
    assert.ok((await site.listOwned()).some(({ kind, packed }) => kind.endsWith('-target') && packed));
    // The manifest of this replica knows no digest, so that nothing can be proved of its disks.
    const [description, ...disks] = await site.packaging!.prove(vm, plan, work);
    assert.equal(description?.passed, true);
    assert.ok(disks.length > 0 && disks.every(({ passed }) => !passed));
    await assert.rejects(site.removeReplica(ID), fails('Unsafe'));
    await site.undefine(ID);
    await site.undefine(ID);
    await assert.rejects(site.packaging!.write(vm, nothing, plan, work), fails('Superseded'));
    assert.equal(await firstByte(), 1, 'the replica is as it was');
    await site.removeReplica(ID);
    assert.deepEqual(await site.listOwned(), []);
  });
}

async function byteOf(reader: BlockReader, offsetBytes: number): Promise<number> {
  const buffer = Buffer.alloc(512);
  await reader.read(offsetBytes, buffer);
  return buffer[0]!;
}

const byteAt = (point: OpenPoint, disk: string, offsetBytes: number): Promise<number> =>
  byteOf(point.disks.find(({ id }) => id === disk)!.reader, offsetBytes);

/** Whether every byte of a range is said to have changed. */
async function isChanged(reader: BlockReader, offsetBytes: number, lengthBytes: number): Promise<boolean> {
  let changedBytes = 0;
  for await (const extent of reader.extents(offsetBytes, lengthBytes)) {
    if (extent.changed) changedBytes += extent.lengthBytes;
  }
  return changedBytes === lengthBytes;
}
