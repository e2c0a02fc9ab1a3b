import assert from 'node:assert/strict';
import test from 'node:test';
import { pinNics } from '../../../src/guest/nics/pin-nics.js';
import { memoryTree } from '../../../src/guest/tree.js';
import { A, B, ids, link, MODERN, ND, pin, rule, told } from './guest.js';

/** Configurations that find cards by patterns, which fit the names at the source and not those at the target. */

const NETPLAN = '/etc/netplan/01-netcfg.yaml';
const NM = '/etc/NetworkManager/system-connections/lan.nmconnection';
const INTERFACES = '/etc/network/interfaces';
const KERNEL_NAMES = { '/etc/default/grub': 'GRUB_CMDLINE_LINUX="net.ifnames=0"\n' };

const network = (name: string, rest: string) => `[Match]\nName=${name}\n[Network]\n${rest}\n`;
const STATIC = 'Address=192.0.2.5/24';

test('the one card gets a name that the pattern fits, in every network system', async () => {
  const guests: Record<string, string>[] = [
    {
      [NETPLAN]:
        'network:\n  version: 2\n  ethernets:\n    vmnics:\n      match: {name: "ens*"}\n      addresses: [192.0.2.5/24]\n',
    },
    { [`${ND}lan.network`]: network('ens*', STATIC) },
    { [`${ND}lan.network`]: network('ens* eth*', 'DHCP=yes') },
    {
      [NM]: '[connection]\ntype=ethernet\n[match]\ninterface-name=ens*;\n[ipv4]\nmethod=manual\naddress1=192.0.2.5/24\n',
    },
    { [INTERFACES]: 'auto lo /ens*\niface lo inet loopback\niface /ens* inet static\n  address 192.0.2.5/24\n' },
    { [INTERFACES]: 'auto /ens*/1=lan\niface lan inet static\n  address 192.0.2.5/24\n' },
  ];
  for (const guest of guests) {
    const plan = await pin({ ...MODERN, ...guest }, [A]);
    assert.deepEqual([told(plan), plan.edits], [['ensv0=0a pattern'], [link(A, 'ensv0')]]);
    assert.deepEqual(ids(plan), ['guest.nic-pattern']);
  }
  const { findings } = await pin({ ...MODERN, ...guests[2] }, [A]);
  assert.match(
    findings[0]?.message ?? '',
    /lan\.network finds .* "ens\* eth\*", .* 00:50:56:00:00:0a is held to ensv0/,
  );
});

test("where the pattern fits the kernel's name for the one card, that is held", async () => {
  const plan = await pin({ ...MODERN, [`${ND}lan.network`]: network('eth*', STATIC) }, [A]);
  assert.deepEqual(plan.edits, [rule([A, 'eth0'])]);
});

test('sets and single characters are filled in, within the length of a name', async () => {
  const names = { 'ens[12]??': 'ens2vv', 'enp?s0': 'enpvs0', 'en[!op]*': 'env', 'enp11s0f0np0d1*': 'enp11s0f0np0d1' };
  for (const [pattern, name] of Object.entries(names)) {
    const plan = await pin({ ...MODERN, [`${ND}lan.network`]: network(pattern, STATIC) }, [A]);
    assert.ok(plan.pinned[0]?.name.startsWith(name), `${pattern}: ${plan.pinned[0]?.name}`);
  }
});

test('a name that is known of the card is taken, by its agent or by its slot', async () => {
  const files = { ...MODERN, [`${ND}lan.network`]: network('ens*', STATIC) };
  const seen = await pin(files, [A, B], {
    seen: [
      { name: 'ens224', mac: B },
      { name: 'ens224.10', mac: B },
      { name: 'docker0', mac: B },
      { name: 'enp9s0', mac: A },
    ],
  });
  assert.deepEqual([told(seen), seen.edits, ids(seen)], [['ens224=0b agent'], [link(B, 'ens224')], []]);
  const slots = await pinNics(memoryTree(files), [
    { mac: A, slot: 192 },
    { mac: B, slot: 224 },
  ]);
  assert.deepEqual(told(slots), ['ens192=0a name', 'ens224=0b name']);
  // What is called otherwise was not found by the pattern at the source.
  const other = await pinNics(memoryTree(files), [{ mac: A }], { seen: [{ name: 'eno1', mac: A }] });
  assert.deepEqual([other.edits, ids(other)], [[], ['guest.nic-match']]);
});

test('an address beside the pattern tells the card', async () => {
  const both = `[Match]\nName=ens*\nMACAddress=${B}\n[Network]\n${STATIC}\n`;
  const plan = await pin({ ...MODERN, [`${ND}lan.network`]: both }, [A, B]);
  assert.deepEqual([told(plan), plan.edits], [['ensv0=0b config-mac'], [link(B, 'ensv0')]]);
});

test('of several cards nothing tells which one is meant, and that is said', async () => {
  const plan = await pin({ ...MODERN, [`${ND}lan.network`]: network('ens*', STATIC) }, [A, B]);
  assert.deepEqual([plan.edits, ids(plan)], [[], ['guest.nic-match']]);
  assert.match(
    plan.findings[0]?.message ?? '',
    /lan\.network finds network cards by the pattern "ens\*", which may fit none/,
  );
});

test('beside a name, a pattern is for the card that is left', async () => {
  const one = { [`${ND}lan.network`]: network('ens192 ens2*', 'Bond=uplink') };
  const plan = await pin({ ...MODERN, ...one }, [A, B]);
  assert.deepEqual(told(plan), ['ens192=0a order', 'ens2v0=0b pattern']);
  // It may as well be for the card that has the name.
  const fits = { [NETPLAN]: 'network: {ethernets: {ens192: {}, all: {match: {name: "ens*"}, dhcp4: true}}}\n' };
  const doubt = await pin({ ...MODERN, ...fits }, [A, B]);
  assert.deepEqual(told(doubt), ['ens192=0a order']);
  assert.deepEqual(ids(doubt), ['guest.nic-order', 'guest.nic-match']);
  const named = await pin({ ...MODERN, ...fits }, [A]);
  assert.deepEqual([told(named), named.findings], [['ens192=0a only-one'], []]);
});

test('nothing is held where a pattern fits at the target as well', async () => {
  // Debian's images for clouds.
  const cloud =
    'network:\n  version: 2\n  ethernets:\n    all-en: {match: {name: en*}, dhcp4: true}\n    all-eth: {match: {name: eth*}, dhcp4: true}\n';
  const nothing = { pinned: [], edits: [], renewed: [], findings: [] };
  assert.deepEqual(await pin({ ...MODERN, [NETPLAN]: cloud }, [A]), nothing);
  assert.deepEqual(await pin({ ...MODERN, [NETPLAN]: cloud }, [A, B]), nothing);
  const both = { [`${ND}lan.network`]: network('ens* enp*', STATIC) };
  assert.deepEqual(await pin({ ...MODERN, ...both }, [A]), nothing);
  const kernel = {
    [`${ND}lan.network`]: network('eth*', STATIC),
    [`${ND}old.network`]: network('ens*', STATIC),
  };
  assert.deepEqual(await pin({ ...MODERN, ...KERNEL_NAMES, ...kernel }, [A]), nothing);
  const others = { [`${ND}x.network`]: network('wl* ww* docker* veth* br-*', 'DHCP=yes') };
  assert.deepEqual(await pin({ ...MODERN, ...others }, [A]), nothing);
});

test('a fixed address by a narrow pattern is kept beside DHCP for all', async () => {
  const files = {
    ...MODERN,
    [`${ND}10-lan.network`]: network('ens*', STATIC),
    [`${ND}90-all.network`]: network('en*', 'DHCP=yes'),
  };
  assert.deepEqual((await pin(files, [A])).edits, [link(A, 'ensv0')]);
  // A name for the one pattern would take the card from the other.
  const against = await pin({ ...files, [`${ND}10-lan.network`]: network('eth*', STATIC) }, [A]);
  assert.deepEqual([against.edits, ids(against)], [[], ['guest.nic-match']]);
});

test('a name does not take the only card from a pattern that fits it as it is', async () => {
  const cloud = { [`${ND}90-all.network`]: network('en*', 'DHCP=yes') };
  const leftover = { [INTERFACES]: 'auto eth0\niface eth0 inet dhcp\n' };
  const plan = await pin({ ...MODERN, ...cloud, ...leftover }, [A]);
  assert.deepEqual([plan.edits, ids(plan)], [[], ['guest.nic-unclear']]);
  assert.match(plan.findings[0]?.message ?? '', /eth0 \(.*interfaces\), "en\*" \(.*90-all\.network\)/);

  const fixed = { [INTERFACES]: 'auto lan0\niface lan0 inet static\n  address 192.0.2.5/24\n' };
  assert.deepEqual((await pin({ ...MODERN, ...cloud, ...fixed }, [A])).edits, [link(A, 'lan0')]);
  const within = { [INTERFACES]: 'auto ens192\niface ens192 inet dhcp\n' };
  assert.deepEqual((await pin({ ...MODERN, ...cloud, ...within }, [A])).edits, [link(A, 'ens192')]);
});
