import assert from 'node:assert/strict';
import test from 'node:test';
import { A, B, C, ids, link, MODERN, NETPLAN, pin, rule, told } from './guest.js';

test('cards by name are pinned; what netplan finds by address is left to it', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${NETPLAN}01-netcfg.yaml`]: `# written by hand
network:
  version: 2
  renderer: networkd
  ethernets:
    "ens160": {addresses: [192.0.2.5/24]}  # the first
    lan:
      match: {macaddress: '${B.toUpperCase()}'}
      dhcp4: true
    storage:
      match: {macaddress: ${C}}
      set-name: san0
  vlans:
    office: {id: 10, link: ens160}
  wifis:
    wlan7: {}
`,
    },
    [A, B, C],
  );
  assert.deepEqual(told(plan), ['ens160=0a only-one', 'san0=0c config-mac']);
  assert.deepEqual(plan.edits, [link(A, 'ens160')]);
  assert.deepEqual(plan.findings, []);
});

test('files are merged as netplan does: cloud-init names the card, a later file adds its address', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${NETPLAN}50-cloud-init.yaml`]: `network:\n  version: 2\n  ethernets:\n    eth0:\n      match:\n        macaddress: ${A}\n      set-name: eth0\n`,
      [`${NETPLAN}60-static.yaml`]: 'network:\n  ethernets:\n    eth0: {dhcp4: false, addresses: [192.0.2.5/24]}\n',
      [`${NETPLAN}60-static.yaml.bak`]: 'network:\n  ethernets:\n    eth7: {}\n',
    },
    [A],
  );
  assert.deepEqual(told(plan), ['eth0=0a config-mac']);
  assert.deepEqual([plan.edits, plan.findings], [[], []]);
});

test('bonds and bridges name definitions, and names with a match by name are cards', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${NETPLAN}bond.yaml`]: `network:
  ethernets:
    first: {match: {name: ens192}}
    second: {match: {name: ens224}, optional: true}
    rest: {match: {name: "eth*"}}
  bonds:
    uplink: {interfaces: [first, second, ens256], parameters: {mode: 802.3ad}}
  bridges:
    br0: {interfaces: [uplink]}
`,
    },
    [A, B, C],
    { seen: [{ name: 'ens224', mac: A }] },
  );
  assert.deepEqual(told(plan), ['ens224=0a agent', 'ens192=0b order', 'ens256=0c order']);
  assert.deepEqual(plan.edits, [link(B, 'ens192'), link(A, 'ens224'), link(C, 'ens256')]);
  assert.deepEqual(ids(plan), ['guest.nic-order']);
});

test('DHCP on whatever there is needs nothing; a match on the driver is said', async () => {
  const any = 'network:\n  ethernets:\n    all-en: {match: {name: "en*"}, dhcp4: true}\n';
  assert.deepEqual(await pin({ ...MODERN, [`${NETPLAN}a.yaml`]: any }, [A]), {
    pinned: [],
    edits: [],
    renewed: [],
    findings: [],
  });
  const model = 'network:\n  ethernets:\n    nic: {match: {driver: vmxnet3}, dhcp4: true}\n';
  assert.deepEqual(ids(await pin({ ...MODERN, [`${NETPLAN}a.yaml`]: model }, [A])), ['guest.nic-match']);
});

test('names of the kernel are held by a rule, and that two cannot be swapped is said', async () => {
  const text = 'network:\n  ethernets:\n    eth0: {dhcp4: true}\n    eth1: {dhcp4: true}\n';
  const files = {
    ...MODERN,
    '/etc/default/grub': 'GRUB_CMDLINE_LINUX="net.ifnames=0 biosdevname=0"\n',
    [`${NETPLAN}a.yaml`]: text,
  };
  const plan = await pin(files, [B, A]);
  assert.deepEqual(told(plan), ['eth0=0b order', 'eth1=0a order']);
  assert.deepEqual(plan.edits, [rule([B, 'eth0'], [A, 'eth1'])]);
  assert.deepEqual(ids(plan), ['guest.nic-order', 'guest.nic-kernel-name']);
  assert.match(plan.findings[1]?.message ?? '', /which the kernel also gives/);
});
