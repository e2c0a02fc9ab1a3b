import assert from 'node:assert/strict';
import test from 'node:test';
import { check } from '../../src/checks/index.js';
import { AGENT, disk, factsOf, GIB, I440FX, ID, MIB, nic, TARGET, uefi, UUID, type Given } from './facts.js';

/** What findings tell beyond their ids: names, amounts, times. */

const found = (given: Partial<Given>) => check(factsOf(given));
const said = (given: Partial<Given>, id: string) => {
  const [first] = found(given).filter((each) => each.id === id);
  return first ? `${first.message} | ${first.remedy}` : '';
};

test('an untracked disk tells the downtime of going on: at an assumed rate, or at the bandwidth asked for', () => {
  const untracked = { tracked: false, sizeBytes: 20 * GIB };
  assert.match(
    said(untracked, 'disk.no-tracking'),
    /^Disk vda: .*\(qcow2\).* downtime: 20 GiB at 100 MiB\/s, which is assumed, take about 3 min 25 s\. \| .*compat=1\.1/,
  );
  const slow = { ...untracked, request: { sync: { bandwidth: '10MiB/s' } } };
  assert.match(said(slow, 'disk.no-tracking'), /20 GiB at the 10MiB\/s asked for take about 34 min 8 s\./);
  assert.match(
    said({ disks: disk('vda', 'virtio', '', 'raw') }, 'disk.no-tracking'),
    /\(raw\).*Convert it to qcow2 at the source\. Or accept the downtime\.$/,
  );
  const unable = { tracked: false, source: { changeTracking: false } };
  assert.match(said(unable, 'disk.no-tracking'), /its platform cannot say what changes.* \| Or accept the downtime\.$/);
});

test('the downtime of all untracked disks together is held against the one allowed; disks left behind do not count', () => {
  const two = { tracked: false, sizeBytes: 5 * GIB, disks: disk('vda') + disk('vdb') };
  const request = { cutover: { maxDowntime: '80s' } };
  assert.match(
    said({ ...two, request }, 'cutover.too-long'),
    /reads vda, vdb whole.* 10 GiB .* about 1 min 42 s\..* 80s/,
  );
  assert.equal(said({ ...two, request: { ...request, excludeDisks: ['vdb'] } }, 'cutover.too-long'), '');
  assert.equal(said({ ...two, request, running: false }, 'cutover.too-long'), '');
});

test('a storage or a network that is not there is found with the names of those that are', () => {
  const storages = ['default', 'fast'].map((name) => ({ name, path: `/pools/${name}`, freeBytes: GIB }));
  const askedStorages = [{ asked: '/not/there', name: '/not/there', problem: 'stat: no such directory' }];
  const given = { networks: { lan: 'prod' }, request: { storage: '/not/there' }, target: { storages, askedStorages } };
  assert.match(
    said(given, 'storage.missing'),
    /"\/not\/there" cannot be used: stat: no such directory\. .* there: default, fast\.$/,
  );
  assert.match(said(given, 'network.missing'), /is mapped to "prod".*Networks there: lan, dmz\.$/);
  assert.match(said({ ...given, target: { askedStorages } }, 'storage.missing'), /there: default\.$/);
  assert.match(said({ ...given, target: { storages: [], askedStorages } }, 'storage.missing'), /there: none\.$/);
});

test('disks of one place are summed up, also where it goes by two names, and those of two places are not', () => {
  const disks = disk('vda') + disk('vdb');
  const given = (other: string): Partial<Given> => ({
    ...{ disks, sizeBytes: 6 * GIB, allocatedBytes: 6 * GIB, request: { diskStorage: { vdb: 'fast' } } },
    target: {
      askedStorages: [
        { asked: null, name: 'default', path: '/images', freeBytes: 10 * GIB },
        { asked: 'fast', name: 'fast', path: other, freeBytes: 10 * GIB },
      ],
    },
  });
  assert.match(said(given('/images'), 'storage.space'), /need 12\.6 GiB now and up to 12\.6 GiB; "default" has 10 GiB/);
  assert.deepEqual(found(given('/fast')), []);
});

test('what an image takes counts where it is known, else the whole size', () => {
  const target = { askedStorages: [{ asked: null, name: 'd', path: '/d', freeBytes: GIB }] };
  const ids = (allocatedBytes: number | null) =>
    found({ sizeBytes: 2 * GIB, allocatedBytes, target }).map(({ id }) => id);
  assert.deepEqual(ids(MIB), ['storage.overcommitted']);
  assert.deepEqual(ids(null), ['storage.space']);
});

test('NVMe disks find no place, and firmware with secure boot alone serves no machine without it', () => {
  assert.match(said({ disks: disk('nvme0n1', 'nvme') }, 'disk.bus-unsupported'), /bus nvme.*sata, scsi, virtio/);
  const only = { firmware: { bios: true, uefi: false, secureBoot: true } };
  assert.deepEqual(
    found({ os: uefi(), target: only }).map(({ id }) => id),
    ['firmware.uefi-missing'],
  );
});

test('five IDE disks are more than a machine has room for', () => {
  const five = ['hda', 'hdb', 'hdc', 'hdd', 'hde'].map((dev) => disk(dev, 'ide')).join('');
  assert.match(said({ os: I440FX, disks: five }, 'disk.too-many'), /has 5 drives on the bus ide; .* 4 at most/);
});

test('a disk at the middle of a sector tells how much is added', () => {
  assert.match(
    said({ sizeBytes: MIB + 100 }, 'disk.unaligned'),
    /1048676 bytes, no multiple of 512: .* 412 bytes larger/,
  );
  assert.match(
    said({ sizeBytes: MIB + 512, limits: { diskUnitBytes: MIB } }, 'disk.unaligned'),
    /1048064 bytes larger/,
  );
});

test('addresses that are missing, of a group or of nobody are not those of a card', () => {
  for (const [mac, words] of [
    ['', 'has no address'],
    ['01:00:5e:00:00:01', 'none of a single card'],
    ['00:00:00:00:00:00', 'none of a single card'],
    ['52-54-00-11-22-33', 'none of a single card'],
  ] as const)
    assert.ok(said({ nics: nic('lan', mac) }, 'nic.mac-missing').includes(words), mac);
  const noMac = `<interface type='network'><source network='lan'/><model type='virtio'/></interface>`;
  assert.match(said({ nics: noMac }, 'nic.mac-missing'), /on "lan" has no address/);
});

test('two network cards without address are not two with the same one, nor is one at the target that has none', () => {
  const ids = found({ nics: nic('lan', '') + nic('lan', ''), target: { vms: [{ ...TARGET.vms[0]!, uuid: '' }] } });
  assert.ok(!ids.some(({ id }) => id === 'nic.mac-repeated' || id === 'nic.mac-in-use'));
});

test("this migration's own test boot is nobody else's VM; that of another one is", () => {
  const ids = (name: string) =>
    found({ target: { vms: [{ name, uuid: UUID, macs: ['52:54:00:11:22:33'] }] } }).map(({ id }) => id);
  assert.deepEqual(ids(`web01-rehearsal-${ID}`), []);
  assert.deepEqual(ids('web01-rehearsal-ffffffffffff'), ['vm.uuid-in-use', 'nic.mac-in-use']);
});

test('names that libvirt refuses are refused beforehand', () => {
  const { vm, ...rest } = factsOf({});
  const ids = (targetName: string) => check({ ...rest, vm, targetName }).map(({ id }) => id);
  for (const name of ['', '-web', '.web', ' web', 'web ', 'a/b', 'a\nb', 'x'.repeat(221), 'ä'.repeat(111)])
    assert.deepEqual(ids(name), ['vm.name-invalid'], JSON.stringify(name));
  for (const name of ['w', 'Web 01 (old)', 'ä'.repeat(110), '机器', "a'b$c"]) assert.deepEqual(ids(name), [], name);
});

test('a network of the source that is called like a part of every object is mapped only where it is said', () => {
  for (const name of ['constructor', '__proto__', 'toString'])
    assert.match(said({ nics: nic(name), networks: {} }, 'network.unmapped'), new RegExp(`"${name}" is mapped to no`));
});

test('an agent that is probed and has no channel is worth a warning', () => {
  const probes = [{ kind: 'agent' as const }];
  assert.match(said({ devices: '', request: { probes } }, 'agent.missing'), /probe of the kind agent cannot pass/);
  assert.equal(said({ devices: AGENT, request: { probes } }, 'agent.missing'), '');
  assert.equal(said({ devices: '', able: { guestAgent: false } }, 'agent.missing'), '');
  const seen = { agent: false, hostname: null, addresses: ['192.0.2.7'], openPorts: [] };
  assert.match(said({ devices: AGENT, seen }, 'agent.missing'), /^No guest agent answers .*Install and start/);
  assert.equal(said({ devices: AGENT, seen: { ...seen, agent: true } }, 'agent.missing'), '');
});

test('versions are told by site, in one sentence, and of a whole site not for each of its VMs', () => {
  const tools = {
    source: 'Running against daemon: 8.0.0\nguestfish 1.50.1rhel=9\n',
    target: 'qemu-img version 9.1.2\n',
  };
  assert.match(
    said({ tools }, 'tools.versions'),
    /^Found were at the source libvirt 8\.0\.0, libguestfs 1\.50\.1; at the target qemu-img 9\.1\.2\. \|/,
  );
  assert.deepEqual(check({ ...factsOf({ tools }), migrationId: null }), []);
});

test('an unknown address counts only where a probe needs one', () => {
  const seen = { agent: true, hostname: null, addresses: [], openPorts: [] };
  assert.match(said({ seen }, 'address.unknown'), /agent names none; nothing tells at the target/);
  const probes = [{ kind: 'tcp' as const, port: 22 }];
  assert.match(said({ seen, request: { probes } }, 'address.unknown'), /probes .* without an address cannot pass/);
  const named = [{ kind: 'tcp' as const, port: 22, address: '192.0.2.7' }, { kind: 'agent' as const }];
  assert.equal(said({ seen, request: { probes: named } }, 'address.unknown'), '');
  assert.equal(said({ seen, nics: '' }, 'address.unknown'), '');
});

test('room in a guest that runs counts where it is converted, is not looked into, and can be written', () => {
  const root = { path: '/', type: 'ext4', freeBytes: 2 ** 20 };
  const seen = { agent: true, hostname: null, addresses: ['192.0.2.7'], openPorts: [] };
  const told = (more: object, filesystems = [root]) =>
    said({ toVirtio: true, seen: { ...seen, filesystems }, ...more }, 'conversion.space');
  assert.match(told({}), /"\/" has 1 MiB free; a conversion needs 100 MiB there.*prepareGuest\.freeSpace/);
  assert.equal(told({ toVirtio: false }), '');
  assert.equal(told({ request: { conversion: 'none' } }), '');
  assert.equal(told({}, [{ ...root, path: '/snap/core', type: 'squashfs' }]), '');
  assert.match(told({}, [{ ...root, path: '/boot' }]), /needs 50 MiB/);
});
