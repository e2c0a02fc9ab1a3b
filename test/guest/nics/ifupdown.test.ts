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

test('cards that are renamed by their addresses keep those names', async () => {
  const stanza = (name: string, last: number) =>
    `auto ${name}\niface ${name} inet static\n  address 192.0.2.${last}/24\n`;
  const text = `rename mac/${B}=lan mac/${A}=wan ens9=dmz\n${stanza('lan', 5)}${stanza('wan', 6)}`;
  const plan = await pin({ ...MODERN, [INTERFACES]: text }, [A, B]);
  assert.deepEqual(told(plan), ['wan=0a config-mac', 'lan=0b config-mac']);
  assert.deepEqual([plan.edits, plan.findings], [[link(B, 'lan'), link(A, 'wan')], []]);
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
  const text = `# PCI device (e1000)\nSUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${A}", ATTR{dev_id}=="0x0", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"`;
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
  assert.deepEqual(await pin(MODERN, [A, B]), { pinned: [], edits: [], renewed: [], findings: [] });
});

test('a stanza that a mapping gives to a card is no card', async () => {
  // The example of interfaces(5), "mapping" of older versions.
  const mapped =
    'auto lo eth0 eth1\niface lo inet loopback\n\niface eth1 inet dhcp\n\nmapping eth0\n\tscript /usr/local/sbin/map-scheme\n\tmap HOME eth0-home\n\tmap     WORK eth0-work\n\niface eth0-home inet static\n\taddress 192.168.1.1\n\tnetmask 255.255.255.0\n\tup flush-mail\n\niface eth0-work inet dhcp\niface eth0-guest inet dhcp\n';
  const two = await pin({ ...MODERN, [INTERFACES]: mapped }, [A, B]);
  assert.deepEqual(two.edits, [rule([A, 'eth0'], [B, 'eth1'])]);

  const one = 'auto lo\niface lo inet loopback\nauto ens192=home\niface home inet static\n\taddress 192.0.2.5/24\n';
  assert.deepEqual((await pin({ ...MODERN, [INTERFACES]: one }, [A])).edits, [link(A, 'ens192')]);

  const any = 'auto lo /en*=lan\niface lan inet static\n\taddress 192.0.2.5/24\n';
  assert.deepEqual(await pin({ ...MODERN, [INTERFACES]: any }, [A]), {
    pinned: [],
    edits: [],
    renewed: [],
    findings: [],
  });

  const byMac = `auto mac/${A}=lan\niface lan inet static\n\taddress 192.0.2.5/24\n`;
  assert.deepEqual(await pin({ ...MODERN, [INTERFACES]: byMac }, [A]), {
    pinned: [],
    edits: [],
    renewed: [],
    findings: [],
  });
});

test('a stanza that others inherit is no card', async () => {
  const debian =
    'iface base inet static\n\tnetmask 255.255.255.0\n\tdns-nameservers 192.0.2.1\n\nauto ens192\niface ens192 inet static inherits base\n\taddress 192.0.2.5\n';
  const alpine =
    'template base\n\tnetmask 24\n\niface common\n\tmtu 9000\n\nauto ens192\niface ens192\n\tinherit base\n\tinherit common\n\taddress 192.0.2.5/24\n';
  for (const text of [debian, alpine]) {
    const plan = await pin({ ...MODERN, [INTERFACES]: text }, [A]);
    assert.deepEqual([plan.edits, plan.findings], [[link(A, 'ens192')], []]);
  }
});

test('what commands make is no card, what they make it on is one', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [INTERFACES]: `auto ens192 office tohq lab guests
iface ens192 inet static
  address 192.0.2.5/24
  post-up ip link add link "$IFACE" name guests type vlan id 30
iface office inet static
  pre-up ip link add link ens224 name office type vlan id 10 || true
  address 198.51.100.5/24
iface tohq inet static
  pre-up /sbin/ip -4 tunnel add tohq mode gre remote 203.0.113.1
  address 10.0.0.2/30
iface lab inet manual
  pre-up [ -d /sys/class/net/lab ] || (brctl addbr \${IFACE}; ip link set lab up)
iface guests inet static
  address 203.0.113.5/24
`,
    },
    [A, B],
    { seen: [{ name: 'ens224', mac: A }] },
  );
  assert.deepEqual(told(plan), ['ens224=0a agent', 'ens192=0b only-one']);
  assert.deepEqual(plan.findings, []);
});

test('bonds are known by their members, in all of the ways of writing them', async () => {
  const debian =
    'auto ens192 ens224 uplink\niface ens192 inet manual\n  bond-master uplink\niface ens224 inet manual\n  bond-master uplink\niface uplink inet static\n  address 192.0.2.5/24\n';
  const alpine =
    'auto uplink\niface uplink\n  use bond\n  bond-members ens192 ens224\n  address 192.0.2.5/24\n\nauto tohq\niface tohq\n  use wireguard\n';
  for (const text of [debian, alpine]) {
    const plan = await pin({ ...MODERN, [INTERFACES]: text }, [A, B]);
    assert.deepEqual(plan.edits, [link(A, 'ens192'), link(B, 'ens224')]);
    assert.deepEqual(ids(plan), ['guest.nic-order']);
  }
});
