import assert from 'node:assert/strict';
import test from 'node:test';
import { A, ANCIENT, B, C, ids, link, MODERN, OLDER, pin, RH, rule, RULES, ruleText, told } from './guest.js';

const SUSE = '/etc/sysconfig/network/';

test('quoted ifcfg files of Red Hat are matched by HWADDR; backups, lo and aliases are no cards', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${RH}lo`]: 'DEVICE=lo\n',
      [`${RH}ens224`]: `# DEVICE=eth9\nexport DEVICE='ens224' # second\nTYPE="Ethernet"\nHWADDR="${A.toUpperCase()}"\nIPADDR=192.0.2.5\nPREFIX=24\nNETMASK='255.255.255.0'\n`,
      [`${RH}ens192`]: `NAME="System \\"ens192\\""\nDEVICE=ens\\192\nHWADDR=${B}\nBOOTPROTO=none`,
      [`${RH}ens192:1`]: 'DEVICE=ens192:1\nIPADDR=192.0.2.9\n',
      [`${RH}ens192-range0`]: 'IPADDR_START=192.0.2.10\n',
      [`${RH}eth0.bak`]: 'DEVICE=eth0\n',
      [`${RH}eth1.rpmsave`]: 'DEVICE=eth1\n',
    },
    [A, B],
  );
  assert.deepEqual(told(plan), ['ens224=0a config-mac', 'ens192=0b config-mac']);
  assert.deepEqual(plan.edits, [link(B, 'ens192'), link(A, 'ens224')]);
  assert.deepEqual(plan.findings, []);
});

test('bonds, VLANs, teams and bridges of Red Hat are not pinned, the cards below them are', async () => {
  const plan = await pin(
    {
      ...OLDER,
      [`${RH}em1`]: `DEVICE=em1\nHWADDR=${A}\nMASTER=uplink\nSLAVE=yes\nMACADDR=${C}\n`,
      [`${RH}p3p1`]: `DEVICE=p3p1\nHWADDR=${B}\nMASTER=uplink\nSLAVE=yes\n`,
      [`${RH}uplink`]: 'DEVICE=uplink\nTYPE=Bond\nBONDING_MASTER=yes\nBONDING_OPTS="mode=1 miimon=100"\n',
      [`${RH}uplink.30`]: 'DEVICE=uplink.30\nVLAN=yes\nBRIDGE=lan\nMACADDR=00:11:22:33:44:55\n',
      [`${RH}office`]: 'DEVICE=office\nVLAN=yes\nPHYSDEV=em2\nTYPE=Vlan\n',
      [`${RH}lan`]: 'DEVICE=lan\nTYPE=Bridge\nIPADDR=192.0.2.5\n',
    },
    [A, B, C],
  );
  assert.deepEqual(told(plan), ['em1=0a config-mac', 'p3p1=0b config-mac', 'em2=0c only-one']);
  assert.deepEqual(plan.edits, [rule([A, 'em1'], [B, 'p3p1'], [C, 'em2'])]);
  assert.deepEqual(plan.findings, []);
});

test('a VLAN on the UUID of a connection, and the tunnels of Open vSwitch, name no card', async () => {
  const plan = await pin(
    {
      ...OLDER,
      [`${RH}ens192`]: 'DEVICE=ens192\nTYPE=OVSPort\nDEVICETYPE=ovs\nOVS_BRIDGE=br-ex\n',
      [`${RH}remote`]: 'DEVICE=remote\nTYPE=OVSTunnel\nDEVICETYPE=ovs\nOVS_BRIDGE=br-ex\n',
      [`${RH}office`]: 'DEVICE=office\nVLAN=yes\nPHYSDEV=3f1c0a9e-5a43-4b1f-9b50-0d0f6f1d3a10\nTYPE=Vlan\n',
    },
    [A],
  );
  assert.deepEqual([told(plan), plan.findings], [['ens192=0a only-one'], []]);
});

test('CentOS 6: a rule for a card with another name is replaced, one for a gone card stays', async () => {
  const before =
    ruleText('00:50:56:ff:ff:ff', 'eth0') +
    ruleText(A, 'eth1').replace('NAME="eth1"', 'KERNEL=="eth*", \\\n  NAME="eth1"');
  const plan = await pin(
    { ...ANCIENT, [RULES]: before, [`${RH}eth0`]: `DEVICE="eth0"\nHWADDR=${A}\nONBOOT=yes\n` },
    [A],
    { seen: [{ name: 'eth0', mac: A }] },
  );
  assert.deepEqual(told(plan), ['eth0=0a agent']);
  assert.deepEqual(plan.edits, [{ path: RULES, text: before.replace('NAME="eth1"', 'NAME="eth0"') }]);
  assert.deepEqual(plan.findings, []);
});

test('a card that has no name to hold does not keep a rule with the name of another', async () => {
  const plan = await pin(
    { ...ANCIENT, [RULES]: `# kept\n${ruleText(B, 'eth0')}# end\n`, [`${RH}eth0`]: `DEVICE=eth0\nHWADDR=${A}\n` },
    [A, B],
  );
  const remark = ruleText(B, 'eth0').split('\n')[0] ?? '';
  assert.deepEqual(plan.edits, [{ path: RULES, text: `# kept\n${remark}\n# end\n${ruleText(A, 'eth0')}` }]);
});

test('an address that no card has any more is said', async () => {
  const plan = await pin({ ...OLDER, [`${RH}eno16777736`]: `DEVICE=eno16777736\nHWADDR=00:0C:29:11:22:33\n` }, [A]);
  assert.deepEqual(told(plan), ['eno16777736=0a only-one']);
  assert.deepEqual(plan.edits, [rule([A, 'eno16777736'])]);
  assert.deepEqual(ids(plan), ['guest.nic-mac']);
  assert.match(plan.findings[0]?.message ?? '', /00:0c:29:11:22:33/);
});

test('SUSE: slaves, VLANs, bridges and routes lead to the cards', async () => {
  const plan = await pin(
    {
      ...OLDER,
      [`${SUSE}config`]: 'NETCONFIG_MODULES_ORDER="dns"\n',
      [`${SUSE}ifcfg-lo`]: "STARTMODE='nfsroot'\n",
      [`${SUSE}ifcfg.template`]: 'STARTMODE=\n',
      [`${SUSE}ifcfg-eth0~`]: 'STARTMODE=auto\n',
      [`${SUSE}ifcfg-uplink`]: "BONDING_MASTER='yes'\nBONDING_SLAVE_0='p1p1'\nBONDING_SLAVE1=\"p1p2\"\n",
      [`${SUSE}ifcfg-vlan10`]: "ETHERDEVICE='em1'\nVLAN_ID='10'\n",
      [`${SUSE}ifcfg-lan`]: "BRIDGE='yes'\nBRIDGE_PORTS='uplink  em1'\n",
      [`${SUSE}ifroute-em1`]: 'default 192.0.2.1 - -\n',
      '/etc/wicked/ifconfig/extra.xml': '<interface/>',
    },
    [A, B, C],
    { seen: [{ name: 'em1', mac: B }] },
  );
  assert.deepEqual(told(plan), ['p1p1=0a order', 'em1=0b agent', 'p1p2=0c order']);
  assert.deepEqual(plan.edits, [rule([A, 'p1p1'], [B, 'em1'], [C, 'p1p2'])]);
  assert.deepEqual(ids(plan), ['guest.nic-wicked-xml', 'guest.nic-order']);
});

test('SUSE: files by address need no pin, files by place on the bus are said', async () => {
  const files = {
    ...OLDER,
    [`${SUSE}ifcfg-eth-id-${A}`]: 'BOOTPROTO=static\n',
    [`${SUSE}ifcfg-eth-bus-pci-0000:02:00.0`]: '',
  };
  const plan = await pin(files, [A]);
  assert.deepEqual(plan.edits, []);
  assert.deepEqual(ids(plan), ['guest.nic-match']);
});
