import assert from 'node:assert/strict';
import test from 'node:test';
import { check } from '../../src/checks/index.js';
import type { Facts } from '../../src/checks/index.js';
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

test('a thousand described VMs are assessed in less than two seconds', () => {
  const vms = Array.from({ length: 1000 }, (_, index) => ({
    ...{ name: `db${index}`, uuid: TARGET.vms[0]!.uuid },
    macs: Array.from({ length: 4 }, (_, at) => `52:54:01:0${at}:${hex(index)}`),
  }));
  const facts = Array.from({ length: 1000 }, (_, index) => machine(index));
  const all = facts.map((each) => ({ ...each, target: { ...each.target, vms } }));
  const started = performance.now();
  const found = all.map(check);
  const tookMs = performance.now() - started;
  assert.ok(tookMs < 2000, `${tookMs} ms`);
  const kinds = new Set(found.flat().map(({ id }) => id));
  assert.ok(kinds.size > 15, [...kinds].join());
});
