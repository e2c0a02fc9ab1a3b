import assert from 'node:assert/strict';
import test from 'node:test';
import { A, ANCIENT, B, C, ids, link, MODERN, pin, rule, told } from './guest.js';

const INTERFACES = '/etc/network/interfaces';

test('a static card of Debian keeps its name', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [INTERFACES]:
        '# The loopback\nauto lo\niface lo inet loopback\n\n  # iface eth9 inet dhcp\nallow-hotplug ens192\niface ens192 inet static\n\taddress 192.0.2.5/24\n\tgateway 192.0.2.1\n\tpost-up ip route add 198.51.100.0/24 via 192.0.2.2 dev ens192\n',
    },
    [A],
  );
  assert.deepEqual(told(plan), ['ens192=0a only-one']);
  assert.deepEqual(plan.edits, [link(A, 'ens192')]);
  assert.deepEqual(plan.findings, []);
});

test('VLANs, bonds, bridges, aliases and lines that go on lead to the cards below them', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [INTERFACES]: `auto lo ens192 \\
  bond0
iface lo inet loopback
source interfaces.d/*
source-directory /etc/network/more
iface ens192.100 inet static
  address 192.0.2.5/24
iface ens192:1 inet static
  address 192.0.2.6/24
iface bond0 inet manual
  bond-slaves ens224 \\
    ens256
  bond_mode active-backup
iface vmbr0 inet static
  bridge_ports bond0.20 regex eth.*
iface office inet static
  vlan-raw-device ens192
iface wlp2s0 inet dhcp
  wpa-ssid "home"
auto /en*
iface /en* inet dhcp
`,
      '/etc/network/interfaces.d/setup': 'iface dummy0 inet manual\n',
      '/etc/network/more/skipped.bak': 'auto ens999\n',
    },
    [A, B, C],
    {
      seen: [
        { name: 'lo', mac: '00:00:00:00:00:00' },
        { name: 'ens192', mac: 'not an address' },
        { name: 'ens192', mac: C.toUpperCase().replaceAll(':', '-') },
        { name: 'bond0', mac: A },
        // Members of a running bond show the bond's address.
        { name: 'ens224', mac: A },
        { name: 'ens256', mac: A },
      ],
    },
  );
  assert.deepEqual(told(plan), ['ens224=0a order', 'ens256=0b order', 'ens192=0c agent']);
  assert.deepEqual(plan.edits, [link(C, 'ens192'), link(A, 'ens224'), link(B, 'ens256')]);
  assert.deepEqual(ids(plan), ['guest.nic-order']);
  assert.match(plan.findings[0]?.message ?? '', /ens224 is 00:50:56:00:00:0a, ens256 is 00:50:56:00:00:0b/);
});

test('an old Debian gets the rule that its udev knows, beside those that are there', async () => {
  const text = `# PCI device (e1000)\nSUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${A.toUpperCase()}", ATTR{dev_id}=="0x0", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"`;
  const plan = await pin(
    {
      ...ANCIENT,
      [INTERFACES]: 'auto eth0 eth1\niface eth0 inet dhcp\niface eth1 inet static\n',
      '/etc/udev/rules.d/70-persistent-net.rules': text,
    },
    [B, A],
  );
  assert.deepEqual(told(plan), ['eth1=0b only-one', 'eth0=0a udev-rule']);
  assert.deepEqual(plan.edits, [{ path: rule().path, text: `${text}\n${rule([B, 'eth1']).text}` }]);
  assert.deepEqual(ids(plan), ['guest.nic-kernel-name']);
});

test('a name that no card is left for is said, and nothing is pinned without a udev', async () => {
  const plan = await pin({ [INTERFACES]: 'auto eth0 eth1\n' }, [A]);
  assert.deepEqual(plan.edits, []);
  assert.deepEqual(told(plan), ['eth0=0a order']);
  assert.deepEqual(ids(plan), ['guest.nic-order', 'guest.nic-unknown', 'guest.nic-no-udev']);
  assert.match(plan.findings[1]?.message ?? '', /eth1 \(\/etc\/network\/interfaces\)/);
});

test('an empty guest is left alone', async () => {
  assert.deepEqual(await pin(MODERN, [A, B]), { pinned: [], edits: [], findings: [] });
});
