import assert from 'node:assert/strict';
import test from 'node:test';
import type { Fate } from '../../src/cli/fate.js';
import { judge, remainsOf, type Found, type Leftover } from '../../src/cli/leftovers.js';
import type { PowerState } from '../../src/model/vm.js';

const ID = '0123456789ab';
const UUID = '11111111-2222-4333-8444-555555555555';
const OWNER = { migrationId: ID, workflowId: 'migrate-dc-old-web01', cluster: 'c1', namespace: 'default' };
const OVER: Fate = { state: 'over', text: 'its workflow migrate-dc-old-web01 is terminated' };

function left(side: 'source' | 'target', kind: string, rest: Partial<Leftover> = {}): Leftover {
  const plain = { owner: OWNER, sizeBytes: null, inUse: null, claim: null, replica: null };
  const site = side === 'source' ? 'dc-old' : 'dc-new';
  const vm = side === 'source' ? { name: 'web01', uuid: UUID } : null;
  return { site, side, kind: `libvirt-${kind}`, name: `the ${kind}`, migrationId: ID, ...plain, vm, ...rest };
}

const CLAIM = left('source', 'claim', { claim: { ...OWNER, vm: 'web01', claimedAt: '2026-11-22T22:00:00Z' } });
const ALL = [CLAIM, left('source', 'checkpoint'), left('source', 'point'), left('target', 'replica')];

function found(resources: Leftover[], state: PowerState | null): Found {
  const vm = { name: 'web01', uuid: UUID, memoryBytes: 1, cpus: 1, disks: 1 };
  const old = state === null ? [] : [{ ...vm, state }];
  return { resources, vms: new Map([['dc-old', old] as const, ['dc-new', []]]), idle: new Set(), failed: new Map() };
}

/** Kinds that may go. */
function going(resources: Leftover[], state: PowerState | null, fate: Fate = OVER): string[] {
  const verdicts = judge(remainsOf(found(resources, state))[0]!, fate);
  return [...verdicts].filter(([, { remove }]) => remove).map(([each]) => each.kind.replace('libvirt-', ''));
}

test('all that a migration left may go when its workflow is over and its source runs', () => {
  assert.deepEqual(going(ALL, 'running'), ['claim', 'checkpoint', 'point', 'replica']);
});

test('nothing goes while the workflow runs, when Temporal cannot be asked, or when another cluster marked it', () => {
  for (const state of ['runs', 'unknown', 'foreign'] as const)
    assert.deepEqual(going(ALL, 'running', { state, text: state }), [], state);
});

test('a replica whose source does not run stays, and so does the claim, which recover needs', () => {
  for (const state of ['off', 'paused', 'crashed', null] as const)
    assert.deepEqual(going(ALL, state), ['checkpoint', 'point'], String(state));
});

test('a replica of files goes though they do not run, unless a VM was made of it or the files are gone', () => {
  const source = { site: 'dc-old', vm: 'web01', uuid: UUID };
  const replica = left('target', 'replica', { replica: { source } as Leftover['replica'] });
  const verdicts = (resources: Leftover[], state: PowerState | null) => {
    const seen = found(resources, state);
    seen.idle.add('dc-old');
    return [...judge(remainsOf(seen)[0]!, OVER).values()].map(({ remove }) => remove);
  };
  assert.deepEqual(verdicts([replica], 'off'), [true]);
  assert.deepEqual(verdicts([replica], null), [false]);
  assert.deepEqual(verdicts([replica, left('target', 'target')], 'off'), [false, false]);
  assert.deepEqual(verdicts([replica, left('target', 'target', { packed: true })], 'off'), [true, true]);
});

test('a replica stays when nobody can see its source, or nothing says which VM that is', () => {
  const away = found(ALL, 'running');
  away.vms.delete('dc-old');
  const verdicts = judge(remainsOf(away)[0]!, OVER);
  const reasons = [...verdicts.values()].map(({ reason }) => reason);
  assert.match(reasons[3]!, /nobody can see whether its source web01 at dc-old runs/);
  assert.deepEqual(going([left('target', 'replica')], 'running'), []);
});

test('a running domain stays, and with it its disks and the claim', () => {
  const domain = left('target', 'target', { name: 'web01', inUse: 'the VM "web01" is running' });
  const replica = left('target', 'replica', { inUse: 'the VM "web01" stands on it', usedBy: 'web01' });
  assert.deepEqual(going([CLAIM, domain, replica], 'running'), []);
});

test('a stopped domain of the migration goes with the replica that it stands on; a stranger on it keeps both', () => {
  const domain = left('target', 'target', { name: 'web01' });
  const standing = (usedBy: string) => left('target', 'replica', { inUse: `the VM "${usedBy}" stands on it`, usedBy });
  assert.deepEqual(going([CLAIM, domain, standing('web01')], 'running'), ['claim', 'target', 'replica']);
  assert.deepEqual(going([CLAIM, domain, standing('other')], 'running'), []);
});

test('a point that a worker reads stays, with the checkpoint that belongs to it', () => {
  const point = left('source', 'point', { inUse: 'a worker is reading it' });
  assert.deepEqual(going([left('source', 'checkpoint'), point], 'running'), []);
});

test('what nobody says the owner of stays', () => {
  const orphan = left('source', 'checkpoint', { owner: null });
  const verdicts = judge(remainsOf(found([orphan], 'running'))[0]!, null);
  assert.deepEqual([...verdicts.values()], [{ remove: false, reason: 'nothing says whose it is' }]);
});

test('parts marked by two clusters stay', () => {
  const other = left('target', 'replica', { owner: { ...OWNER, cluster: 'c2' } });
  assert.deepEqual(going([CLAIM, other], 'running'), []);
});

test('a claim that says which services were stopped stays until they are started', () => {
  const claim = left('source', 'claim', { claim: { ...CLAIM.claim!, stoppedServices: 'db web' } });
  assert.deepEqual(going([claim, left('source', 'checkpoint')], 'running'), ['checkpoint']);
  const [first] = judge(remainsOf(found([claim], 'running'))[0]!, OVER).values();
  assert.match(first!.reason, /\(db web\): `vmferry recover 0123456789ab --source` starts them/);
});
