import assert from 'node:assert/strict';
import test from 'node:test';
import { A, B, C, ids, link, MODERN, pin, told } from './guest.js';

/** Network systems of a file or a folder: netctl, netifrc, dhcpcd. */

const NETCTL = '/etc/netctl/';
const UNITS = '/etc/systemd/system/multi-user.target.wants/';
const NET = '/etc/conf.d/net';
const DHCPCD = '/etc/dhcpcd.conf';

test("Arch's netctl: the profiles that are enabled name the cards in use", async () => {
  const files = {
    ...MODERN,
    [`${NETCTL}office-lan`]:
      "Description='A basic static ethernet connection'\nInterface=ens192\nConnection=ethernet\nIP=static\nAddress=('192.0.2.5/24')\nGateway='192.0.2.1'\nDNS=('192.0.2.1')\n",
    [`${NETCTL}old`]: 'Interface=ens160\nConnection=ethernet\nIP=static\nAddress=(192.0.2.4/24)\n',
    [`${NETCTL}wlan`]: 'Interface=radio0\nConnection=wireless\nESSID=home\n',
    [`${NETCTL}examples/ethernet-dhcp`]: 'Interface=eth0\nConnection=ethernet\nIP=dhcp\n',
    [`${UNITS}netctl@office\\x2dlan.service`]: '',
    [`${UNITS}sshd.service`]: '',
  };
  const plan = await pin(files, [A]);
  assert.deepEqual([told(plan), plan.edits], [['ens192=0a in-use'], [link(A, 'ens192')]]);
  assert.deepEqual(ids(plan), ['guest.nic-unknown']);
});

test("netctl's bonds, bridges and VLANs lead to the cards below them", async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${NETCTL}uplink`]:
        "Interface=uplink\nConnection=bond\nBindsToInterfaces=('ens192' ens224)\nIP=static\nAddress='192.0.2.5/24'\n",
      [`${NETCTL}lan`]: 'Interface=lan\nConnection=bridge\nBindsToInterfaces=(uplink)\nIP=no\n',
      [`${NETCTL}office`]: 'Interface=office\nConnection=vlan\nBindsToInterfaces=ens256\nVLANID=10\nIP=dhcp\n',
    },
    [A, B, C],
  );
  assert.deepEqual(told(plan), ['ens192=0a order', 'ens224=0b order', 'ens256=0c order']);
});

test("Gentoo's netifrc: cards, and what is made on them", async () => {
  const one =
    '# the server\nmodules="iproute2"\nconfig_ens192="192.0.2.5/24\n  2001:db8::5/64"\nroutes_ens192="default via 192.0.2.1"\nconfig_ens160="192.0.2.4/24"\n';
  const files = {
    ...MODERN,
    [NET]: one,
    '/etc/runlevels/default/net.ens192': '',
    '/etc/runlevels/boot/net.lo': '',
  };
  const plan = await pin(files, [A]);
  assert.deepEqual([told(plan), plan.edits], [['ens192=0a in-use'], [link(A, 'ens192')]]);

  const more =
    'slaves_uplink="ens192 ens224"\nconfig_uplink="192.0.2.5/24"\nbridge_lan="uplink"\nconfig_lan="null"\nvlans_ens256="5"\nconfig_ens256="null"\nconfig_ens256_5="dhcp"\n';
  const three = await pin({ ...MODERN, [NET]: more }, [A, B, C]);
  assert.deepEqual(told(three), ['ens192=0a order', 'ens224=0b order', 'ens256=0c order']);
});

test('dhcpcd: a fixed address names its card; cards that are only asked for need no name', async () => {
  const fixed =
    'hostname\noption rapid_commit\n#interface eth0\n#static ip_address=192.0.2.9/24\n\ninterface ens192\nstatic ip_address=192.0.2.5/24\nstatic routers=192.0.2.1\n\nprofile static_eth1\nstatic ip_address=192.0.2.23/24\n';
  assert.deepEqual((await pin({ ...MODERN, [DHCPCD]: fixed }, [A])).edits, [link(A, 'ens192')]);
  const asked = 'duid\ninterface ens192\n  metric 100\n';
  assert.deepEqual((await pin({ ...MODERN, [DHCPCD]: asked }, [A])).pinned, []);
});
