import assert from 'node:assert/strict';
import test from 'node:test';
import { pinNics } from '../../../src/guest/nics/pin-nics.js';
import { memoryTree } from '../../../src/guest/tree.js';
import { A, ANCIENT, B, ids, link, MODERN, ND, NM, OLDER, pin, RH, rule, SUSE, told } from './guest.js';

/** Machines with fewer cards than their guests have names for. */

const INTERFACES = '/etc/network/interfaces';
const NETPLAN = '/etc/netplan/01-netcfg.yaml';

const STATIC_PLAN = 'network:\n  ethernets:\n    ens192: {addresses: [192.0.2.5/24]}\n';

test('a card that is not started at boot is the leftover, whatever its number', async () => {
  const guests: Record<string, string>[] = [
    {
      [`${RH}ens160`]: 'DEVICE=ens160\nONBOOT=no\nBOOTPROTO=dhcp\nTYPE=Ethernet\n',
      [`${RH}ens192`]: 'DEVICE="ens192"\nONBOOT="yes"\nBOOTPROTO=dhcp\nTYPE=Ethernet\n',
    },
    {
      [`${NM}ens160.nmconnection`]: '[connection]\ntype=ethernet\ninterface-name=ens160\nautoconnect=false\n',
      [`${NM}ens192.nmconnection`]: '[connection]\ntype=ethernet\ninterface-name=ens192\n[ipv4]\nmethod=auto\n',
    },
    {
      [`${SUSE}ens160`]: "STARTMODE='off'\nBOOTPROTO='dhcp'\n",
      [`${SUSE}ens161`]: "BOOTPROTO='dhcp'\n",
      [`${SUSE}ens192`]: "STARTMODE='auto'\nBOOTPROTO='dhcp'\n",
    },
    {
      [INTERFACES]: 'iface ens160 inet static\n  address 192.0.2.9/24\nallow-hotplug ens192\niface ens192 inet dhcp\n',
    },
    { [NETPLAN]: 'network: {ethernets: {ens160: {activation-mode: manual}, ens192: {dhcp4: true}}}\n' },
    {
      [`${ND}1.network`]: '[Match]\nName=ens160\n[Link]\nUnmanaged=yes\n',
      [`${ND}2.network`]: '[Match]\nName=ens192\n[Network]\nDHCP=yes\n',
    },
  ];
  for (const guest of guests) {
    const plan = await pin({ ...MODERN, ...guest }, [A]);
    assert.deepEqual([told(plan), plan.edits], [['ens192=0a in-use'], [link(A, 'ens192')]]);
    assert.deepEqual(ids(plan), ['guest.nic-unknown']);
    assert.match(plan.findings[0]?.message ?? '', /does not have: ens160/);
  }
});

test('of two that are started, the one with an address of its own is in use', async () => {
  const guests: Record<string, string>[] = [
    {
      [`${RH}ens160`]: 'DEVICE=ens160\nBOOTPROTO=dhcp\n',
      [`${RH}ens192`]: 'DEVICE=ens192\nIPADDR0=192.0.2.5\nPREFIX0=24\n',
    },
    {
      [`${NM}ens160.nmconnection`]: '[connection]\ntype=ethernet\ninterface-name=ens160\n',
      [`${NM}ens192.nmconnection`]:
        '[connection]\ntype=ethernet\ninterface-name=ens192\n[ipv4]\nmethod=manual\naddress1=192.0.2.5/24\n',
    },
    {
      [`${SUSE}ens160`]: "STARTMODE='auto'\nBOOTPROTO='dhcp'\n",
      [`${SUSE}ens192`]: "STARTMODE='auto'\nIPADDR='192.0.2.5/24'\n",
    },
    // Ubuntu, upgraded to netplan, with the file of ifupdown left behind.
    { [NETPLAN]: STATIC_PLAN, [INTERFACES]: 'auto ens160\niface ens160 inet dhcp\n' },
    {
      [NETPLAN]: 'network: {ethernets: {ens160: {dhcp4: true}, ens192: {}}, bridges: {lan: {interfaces: [ens192]}}}\n',
    },
    {
      [`${ND}1.network`]: '[Match]\nName=ens160\n[Network]\nDHCP=yes\n',
      [`${ND}2.network`]: '[Match]\nName=ens192\n[Address]\nAddress=192.0.2.5/24\n',
    },
  ];
  for (const guest of guests) assert.deepEqual(told(await pin({ ...MODERN, ...guest }, [A])), ['ens192=0a in-use']);
});

test('without the programs of ifupdown, its file is a leftover', async () => {
  const files = {
    ...MODERN,
    [NETPLAN]: STATIC_PLAN,
    [INTERFACES]: 'auto ens160\niface ens160 inet static\n  address 192.0.2.4/24\n',
    '/usr/lib/systemd/system/systemd-networkd.service': '[Service]\n',
  };
  assert.deepEqual(told(await pin(files, [A])), ['ens192=0a in-use']);
  const installed = await pin({ ...files, '/usr/lib/systemd/system/networking.service': '[Service]\n' }, [A]);
  assert.deepEqual([told(installed), ids(installed)], [[], ['guest.nic-unclear']]);
});

test('where nothing tells which of the names is meant, none is held, and that is said', async () => {
  const plan = await pin(
    {
      ...OLDER,
      [`${RH}ens160`]: 'DEVICE=ens160\nONBOOT=yes\nIPADDR=192.0.2.4\nPREFIX=24\n',
      [`${RH}ens192`]: 'DEVICE=ens192\nONBOOT=yes\nIPADDR=192.0.2.5\nPREFIX=24\n',
    },
    [A],
  );
  assert.deepEqual([plan.pinned, plan.edits, ids(plan)], [[], [], ['guest.nic-unclear']]);
  assert.match(
    plan.findings[0]?.message ?? '',
    /meant: ens160 \(.*ifcfg-ens160\), ens192 \(.*\)\. None of them is held/,
  );
});

test('what the agent saw decides between two that look alike', async () => {
  const text = 'auto ens160 ens192\niface ens160 inet dhcp\niface ens192 inet dhcp\n';
  const plan = await pin({ ...MODERN, [INTERFACES]: text }, [A], { seen: [{ name: 'ens192', mac: A }] });
  assert.deepEqual([told(plan), ids(plan)], [['ens192=0a agent'], ['guest.nic-unknown']]);
});

test('a card that is called something else does not get what is left', async () => {
  const files = { ...MODERN, [`${NM}ens160`]: '[connection]\ntype=ethernet\ninterface-name=ens160\n' };
  for (const name of ['ens192', 'eth0']) {
    const plan = await pinNics(memoryTree(files), [{ mac: A, slot: 160 }], { seen: [{ name, mac: A }] });
    assert.deepEqual([told(plan), plan.edits, ids(plan)], [[], [], ['guest.nic-unknown']]);
  }
  // A bridge shows the address of its port.
  const bridge = { ...MODERN, [INTERFACES]: 'auto lan\niface lan inet dhcp\n  bridge_ports ens160\n' };
  assert.deepEqual(told(await pin(bridge, [A], { seen: [{ name: 'lan', mac: A }] })), ['ens160=0a only-one']);
  const san = `SUBSYSTEM=="net", DRIVERS=="?*", ATTR{address}=="${A}", NAME="san0"\n`;
  const plan = await pin({ ...files, '/etc/udev/rules.d/70-san.rules': san }, [A, B]);
  assert.deepEqual([told(plan), plan.edits], [['ens160=0b only-one'], [link(B, 'ens160')]]);
});

test('two cards get the names that are in use, in the order of their numbers', async () => {
  const text =
    'auto ens160 ens192 ens224\niface ens160 inet dhcp\niface ens192 inet static\n  address 192.0.2.5/24\niface ens224 inet static\n  address 198.51.100.5/24\n';
  const plan = await pin({ ...MODERN, [INTERFACES]: text }, [A, B]);
  assert.deepEqual(told(plan), ['ens192=0a order', 'ens224=0b order']);
  assert.deepEqual(ids(plan), ['guest.nic-order', 'guest.nic-unknown']);
});

test('a name that is not started does not get a card that is found by its address', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${ND}a.network`]: `[Match]\nMACAddress=${A}\n[Network]\nDHCP=yes\n`,
      [INTERFACES]: 'iface ens160 inet dhcp\nauto ens192\niface ens192 inet static\n  address 192.0.2.5/24\n',
    },
    [A, B],
  );
  assert.deepEqual(told(plan), ['ens192=0b in-use']);
});

test("where cards have the kernel's names, the first numbers are those of the cards", async () => {
  const both = 'auto eth0 eth1\niface eth0 inet static\n  address 192.0.2.5/24\n';
  const alike = await pin({ ...ANCIENT, [INTERFACES]: `${both}iface eth1 inet static\n  address 192.0.2.6/24\n` }, [A]);
  assert.deepEqual([told(alike), alike.edits], [['eth0=0a order'], [rule([A, 'eth0'])]]);
  assert.deepEqual(ids(alike), ['guest.nic-order', 'guest.nic-unknown']);

  // Held to eth1, the card would lose what the kernel gives it, which may be what it had.
  const against = 'auto eth0 eth1\niface eth0 inet dhcp\niface eth1 inet static\n  address 192.0.2.6/24\n';
  const plan = await pin({ ...ANCIENT, [INTERFACES]: against }, [A]);
  assert.deepEqual([plan.edits, ids(plan)], [[], ['guest.nic-unclear']]);
});
