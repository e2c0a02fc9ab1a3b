import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseXml } from '../../src/platforms/xml.js';
import { contentDigest } from './content-digest.js';
import { exportableDebian, writeOva } from './exports.js';
import { World } from './world.js';

/** A real guest of another maker's devices, made fit for the target's. */

let world: World;
let folder: string;
before(async () => {
  world = await World.start();
  folder = await world.filesSite('exports');
  await world.startWorker();
});
after(() => world.stop());

test("a Debian on VMware's devices becomes a VM on virtio, with its disks and its static address found", async () => {
  const guest = await exportableDebian(await world.folder('made'), 'shop02', 'most');
  await writeOva(guest, folder);
  const run = await world.migrate(
    'shop02',
    {
      source: 'exports',
      inspect: true,
      networks: { 'VM Network': 'lan' },
      probes: [{ kind: 'agent' }, { kind: 'tcp', address: guest.address, port: 80, within: '5m' }],
    },
    'migrate-exports-shop02',
  );
  // Before anything is copied, it is known what is in the disks.
  const assessed = await run.until('assessed', ({ events }) => events.length > 0);
  const found = assessed.findings.map(({ id }) => id);
  for (const id of ['guest.tools', 'guest.device-names', 'guest.nic-names'])
    assert.ok(found.includes(id), found.join());
  const waiting = await run.phase('awaiting-approval');
  assert.deepEqual(
    waiting.findings.filter(({ id }) => id === 'guest.device-names'),
    [],
  );
  const [rehearsed] = waiting.conversions ?? [];
  assert.equal(rehearsed?.kind, 'light', JSON.stringify(waiting.findings));
  assert.match(rehearsed.guest ?? '', /Debian/);
  assert.equal(rehearsed.devices, 'disks on virtio; network cards virtio');
  assert.match(rehearsed.changes.join('; '), /ens33/);
  assert.match(rehearsed.changes.join('; '), /\/etc\/fstab/);
  const part = waiting.prediction?.parts.find(({ name }) => name === 'conversion');
  assert.deepEqual([part?.ms, part?.how], [rehearsed.tookMs, 'as the rehearsal took']);
  assert.ok(
    waiting.probes.some(({ probe, passed }) => /agent/.test(probe) && passed),
    'it was rehearsed on virtio',
  );
  await run.update('approveCutover', { by: 'ann' });
  const arrived = await run.phase('awaiting-acceptance');
  // It answers under its own address, on a card that it still calls ens33.
  assert.ok(arrived.probes.every(({ passed }) => passed));
  assert.deepEqual(
    arrived.conversions?.map(({ stage }) => stage),
    ['rehearsal', 'cutover'],
  );
  const domain = parseXml(await world.virsh('new', 'dumpxml', '--inactive', 'shop02'));
  assert.equal(domain.at('devices/disk/target')?.get('bus'), 'virtio');
  assert.equal(domain.at('devices/interface/model')?.get('type'), 'virtio');
  assert.equal(domain.at('devices/interface/mac')?.get('address'), guest.mac);
  const agent = JSON.stringify({ execute: 'guest-network-get-interfaces' });
  const cards = await world.virsh('new', 'qemu-agent-command', 'shop02', agent);
  assert.match(cards, /"name":"ens33"/);
  // The replica holds what the OVA held: conversion is on an overlay.
  assert.equal(arrived.disks[0]?.rootDigest, await contentDigest(world.machine, guest.raw, 'raw'));
  await run.update('acceptTarget', { by: 'ben' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'completed');
  assert.deepEqual(await world.leftovers(status.migrationId), []);
});
