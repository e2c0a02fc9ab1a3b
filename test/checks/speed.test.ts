import assert from 'node:assert/strict';
import test from 'node:test';
import { assessOne, summarizeFleet, unreadable } from '../../src/checks/fleet.js';
import type { Facts } from '../../src/checks/index.js';
import { fleetAssessment } from '../../src/model/fleet.js';
import { renderFleetHtml } from '../../src/report/fleet-html.js';
import { packVms, unpackVms } from '../../src/report/fleet-part.js';
import { assessFleetRequest } from '../../src/request/assess-fleet.js';
import { disk, factsOf, I440FX, MIB, nic, Q35, TARGET, uefi } from './facts.js';

/** A site of a thousand machines, no two alike, for a target that has as many. */
const OF = <T>(list: readonly T[], index: number): T => list[index % list.length]!;
const hex = (index: number) =>
  `${(index >> 8) & 255}:${index & 255}`.replace(/\d+/g, (n) => Number(n).toString(16).padStart(2, '0'));

function machine(index: number): Facts {
  const buses = ['virtio', 'sata', 'ide', 'scsi'] as const;
  const prefix = { virtio: 'vd', sata: 'sd', ide: 'hd', scsi: 'sd' } as const;
  const bus = OF(buses, index);
  const disks = Array.from({ length: 1 + (index % 12) }, (_, at) =>
    disk(`${prefix[bus]}${String.fromCharCode(97 + at)}`, bus, '', OF(['qcow2', 'raw'], index)),
  );
  const nics = Array.from({ length: index % 9 }, (_, at) =>
    nic(OF(['lan', 'dmz', 'prod'], at + index), `52:54:00:0${at}:${hex(index)}`),
  );
  return factsOf({
    ...{ disks: disks.join(''), nics: nics.join(''), os: OF([Q35, I440FX, uefi(), uefi('yes')], index) },
    ...{ vcpu: `<vcpu>${index % 300}</vcpu>`, memory: `<memory unit='MiB'>${index * 16}</memory>` },
    guestOs: OF(['http://debian.org/debian/12', 'windows9Server64Guest', 'Linux 2.4.x', '', 'Other_64'], index),
    ...{ sizeBytes: MIB * index + (index % 3), tracked: index % 2 === 0, running: index % 5 !== 0 },
    networks: OF(
      [
        { lan: 'lan', dmz: 'lan' },
        { lan: 'lan', dmz: 'dmz', prod: 'nowhere' },
      ],
      index,
    ),
    request: { cutover: { maxDowntime: '10s' } },
  });
}

test('a thousand described VMs are assessed, summed up and reported in less than two seconds', () => {
  const vms = Array.from({ length: 1000 }, (_, index) => ({
    ...{ name: `db${index}`, uuid: TARGET.vms[0]!.uuid },
    macs: Array.from({ length: 4 }, (_, at) => `52:54:01:0${at}:${hex(index)}`),
  }));
  const request = assessFleetRequest.parse({
    ...{ source: 'dc-old', target: 'dc-new', networks: { dmz: 'lan' }, cutover: { maxDowntime: '10s' } },
  });
  const facts = Array.from({ length: 1000 }, (_, index) => machine(index));
  const target = { ...facts[0]!.target, vms };
  // Of the processor: what else the machine does takes nothing from it.
  const started = process.cpuUsage();
  const all = facts.map(({ vm, source, rate }, index) =>
    vm.disks.length === 0
      ? unreadable(`vm${index}`, { code: 'InvalidRequest', message: 'no disk', remedy: null })
      : assessOne(
          {
            ...{ found: { ...vm, name: `vm${index}` }, running: source.running, abilities: source.abilities },
            ...{ findings: [], samePlatform: true, target, rate },
          },
          request,
        ),
  );
  const times = { startedAt: new Date(0).toISOString(), endedAt: new Date().toISOString() };
  const fleet = {
    ...summarizeFleet(all, { ...target, ...target.abilities }, request, facts[0]!.rate, times),
    vms: all,
  };
  const json = JSON.stringify(fleetAssessment.parse(fleet));
  const page = renderFleetHtml(fleet);
  const parts = Array.from({ length: 20 }, (_, at) => packVms(all.slice(at * 50, at * 50 + 50), 40_000));
  const { user, system } = process.cpuUsage(started);
  const tookMs = (user + system) / 1000;
  assert.ok(tookMs < 2000, `${tookMs} ms`);
  const kinds = new Set(all.flatMap(({ findings }) => findings).map(({ id }) => id));
  assert.ok(kinds.size > 15, [...kinds].join());
  assert.ok(json.includes('vm999') && page.includes('vm999'));
  assert.deepEqual(
    parts.flatMap(unpackVms).map(({ name }) => name),
    all.map(({ name }) => name),
  );
});
