import assert from 'node:assert/strict';
import test from 'node:test';
import { pinNics } from '../../../src/guest/nics/pin-nics.js';
import { memoryTree } from '../../../src/guest/tree.js';
import { A, ANCIENT, B, ids, link, MODERN, ND, OLDER, pin, rule, RULES, ruleText, told } from './guest.js';

/** Rules and .link files that hold at the source, and what of them holds at the target. */

const OWN = '/etc/udev/rules.d/75-own.rules';
const LAN = { [`${ND}lan.network`]: '[Match]\nName=lan0\n[Network]\nAddress=192.0.2.5/24\n' };

test('a .link file that asks for a driver, a kernel name or a place beside the address does not hold alone', async () => {
  for (const [line, what] of [
    ['Driver=vmxnet3', 'driver'],
    ['OriginalName=ens192', 'kernel name'],
    ['Path=pci-0000:0b:00.0', 'place on the bus'],
    ['Virtualization=vmware', 'surroundings'],
    ['Property=ID_NET_DRIVER=vmxnet3', 'surroundings'],
  ] as const) {
    const text = `[Match]\nMACAddress=${A}\n${line}\n\n[Link]\nName=lan0\nMTUBytes=9000\n`;
    const plan = await pin({ ...MODERN, ...LAN, [`${ND}10-lan.link`]: text }, [A]);
    assert.deepEqual(
      [told(plan), plan.edits, ids(plan)],
      [['lan0=0a udev-rule'], [rule([A, 'lan0'])], ['guest.nic-rule']],
    );
    assert.ok(plan.findings[0]?.message.includes(`10-lan.link names a network card lan0 by its ${what}, `), line);
  }
  for (const line of ['Type=ether', 'Driver=*', 'Path=pci-*', 'OriginalName=eth*', 'Kind=!*', 'Host=web', '']) {
    const text = `[Match]\nMACAddress=${A}\n${line}\n[Link]\nName=lan0\n`;
    const plan = await pin({ ...MODERN, ...LAN, [`${ND}10-lan.link`]: text }, [A]);
    assert.deepEqual([told(plan), plan.edits, plan.findings], [['lan0=0a udev-rule'], [], []], line);
  }
});

test('a rule that asks for more than the address gets one beside it that does not', async () => {
  for (const [token, what] of [
    ['DRIVERS=="vmxnet3"', 'driver'],
    ['KERNEL=="ens192"', 'kernel name'],
    ['KERNELS=="0000:0b:00.0"', 'place on the bus'],
    ['ATTRS{vendor}=="0x15ad"', 'model'],
    ['ENV{ID_PATH}=="pci-0000:0b:00.0"', 'place on the bus'],
    ['ENV{ID_MODEL_ID}=="0x07b0"', 'surroundings'],
  ] as const) {
    const text = `SUBSYSTEM=="net", ACTION=="add", ${token}, ATTR{address}=="${A}", NAME="lan0"\n`;
    const plan = await pin({ ...MODERN, ...LAN, [OWN]: text }, [A]);
    assert.deepEqual([told(plan), plan.edits], [['lan0=0a udev-rule'], [link(A, 'lan0')]], token);
    assert.deepEqual(ids(plan), ['guest.nic-rule']);
    assert.ok(plan.findings[0]?.message.includes(`75-own.rules names a network card lan0 by its ${what}, `), token);
  }
  for (const token of [
    'DRIVERS=="?*", KERNEL=="eth*"',
    'KERNEL=="en*|eth*", KERNEL!="lo"',
    'ATTR{dev_id}=="0x0", ATTR{type}=="1", SUBSYSTEMS=="pci"',
  ]) {
    const text = `SUBSYSTEM=="net", ACTION=="add", ${token}, ATTR{address}=="${A}", NAME="lan0"\n`;
    const plan = await pin({ ...MODERN, ...LAN, [OWN]: text }, [A]);
    assert.deepEqual([told(plan), plan.edits, plan.findings], [['lan0=0a udev-rule'], [], []], token);
  }
});

test('a rule whose address is not written as the kernel does holds nothing', async () => {
  const text = `SUBSYSTEM=="net", ATTR{address}=="${A.toUpperCase()}", NAME="lan0"\n`;
  const plan = await pin({ ...MODERN, ...LAN, [OWN]: text }, [A]);
  assert.deepEqual([told(plan), plan.edits, plan.findings], [['lan0=0a only-one'], [link(A, 'lan0')], []]);
});

test('a rule by driver with a name that no configuration uses is said, one for a card that is gone is not', async () => {
  const text = (mac: string) => `SUBSYSTEM=="net", DRIVERS=="vmxnet3", ATTR{address}=="${mac}", NAME="san0"\n`;
  const plan = await pin({ ...MODERN, ...LAN, [OWN]: text(B) }, [A, B]);
  assert.deepEqual([told(plan), ids(plan)], [['lan0=0a only-one'], ['guest.nic-match']]);
  assert.deepEqual((await pin({ ...MODERN, ...LAN, [OWN]: text(B) }, [A])).findings, []);
});

const suse = (name: string) => ({
  [`/etc/sysconfig/network/ifcfg-${name}`]: "BOOTPROTO='static'\nSTARTMODE='auto'\nIPADDR='192.0.2.5/24'\n",
});
const byBus = (bus: string, name: string, more = '') =>
  `SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{dev_id}=="0x0", KERNELS=="${bus}", ${more}NAME="${name}"\n`;

test('rules of YaST by the place on the bus give way to those by address', async () => {
  const remark = '# PCI device 0x15ad:0x07b0 (vmxnet3)\n';
  const before = remark + byBus('0000:03:00.0', 'eth0') + byBus('0000:0b:00.0', 'eth1') + byBus('0000:13:00.0', 'eth5');
  const plan = await pin({ ...OLDER, ...suse('eth0'), ...suse('eth1'), [RULES]: before }, [A, B]);
  const after = remark + byBus('0000:13:00.0', 'eth5') + ruleText(A, 'eth0') + ruleText(B, 'eth1');
  assert.deepEqual(plan.edits, [{ path: RULES, text: after }]);
  assert.deepEqual(ids(plan), [
    ...['guest.nic-order', 'guest.nic-rule', 'guest.nic-rule'],
    ...['guest.nic-match', 'guest.nic-kernel-name'],
  ]);
});

test('cards are taken in the order of the places that rules name, and by their slots', async () => {
  const rules = { [RULES]: byBus('0000:0b:00.0', 'eth0') + byBus('0000:03:00.0', 'eth1') };
  const links = {
    [`${ND}10-lan.link`]: '[Match]\nPath=pci-0000:0b:00.0\n[Link]\nName=eth0\n',
    [`${ND}11-dmz.link`]: '[Match]\nPath=pci-0000:03:00.0\n[Link]\nName=eth1\n',
  };
  for (const own of [rules, links]) {
    const files = { ...OLDER, ...suse('eth0'), ...suse('eth1'), ...own };
    assert.deepEqual(told(await pin(files, [A, B])), ['eth1=0a order', 'eth0=0b order']);
    const nics = [
      { mac: A, slot: 192 },
      { mac: B, slot: 160 },
    ];
    assert.deepEqual(told(await pinNics(memoryTree(files), nics)), ['eth0=0a order', 'eth1=0b order']);
  }
});

test('a rule by place that does more than name a card stays, and is said', async () => {
  const text = byBus('0000:03:00.0', 'eth0', 'RUN+="/usr/local/sbin/tune", ');
  const plan = await pin({ ...OLDER, ...suse('eth0'), [OWN]: text }, [A]);
  assert.deepEqual([plan.edits, ids(plan)], [[rule([A, 'eth0'])], ['guest.nic-match']]);
});

test('a .link file by path or driver is said, and does not hold the name', async () => {
  const lan = '[Match]\nPath=pci-0000:0b:00.0\n[Link]\nName=lan0\n';
  const wifi = '[Match]\nType=wlan\nDriver=iwlwifi\n[Link]\nName=radio0\n';
  const plan = await pin({ ...MODERN, ...LAN, [`${ND}10-lan.link`]: lan, [`${ND}11-wifi.link`]: wifi }, [A]);
  assert.deepEqual(
    [told(plan), plan.edits, ids(plan)],
    [['lan0=0a only-one'], [rule([A, 'lan0'])], ['guest.nic-rule']],
  );
  const other = lan.replace('lan0', 'san0').replace('Path=pci-0000:0b:00.0', 'Driver=vmxnet3');
  assert.deepEqual(ids(await pin({ ...MODERN, ...LAN, [`${ND}80-san.link`]: other }, [A])), ['guest.nic-match']);
});

test('rules for what is no network card are left alone', async () => {
  const text =
    'KERNELS=="0000:03:00.0", KERNEL=="ttyS*", NAME="eth0"\nSUBSYSTEM=="tty", KERNEL=="ttyS0", NAME="eth0"\n';
  const plan = await pin({ ...ANCIENT, ...suse('eth0'), [OWN]: text }, [A]);
  assert.deepEqual([plan.edits, plan.findings], [[rule([A, 'eth0'])], []]);
});
