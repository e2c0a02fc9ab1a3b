import assert from 'node:assert/strict';
import test from 'node:test';
import { A, B, C, ids, link, MODERN, ND, OLDER, pin, rule, told } from './guest.js';

test('cards by name and by name and address are pinned, with drop-ins and lines that go on', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${ND}10-lan.network`]: `[Match]\nName=ens192\nMACAddress=${B.toUpperCase().replaceAll(':', '-')}\n[Network]\nAddress=192.0.2.5/24\nVLAN=office\n`,
      [`${ND}20-two.network`]: '[Match]\n; Name=eth9\n# Name=eth8\nName=eth7\n[Network]\nBond=uplink\n',
      [`${ND}20-two.network.d/name.conf`]: '[Match]\nName=\nName="ens224" \\\n  ens256\n',
      [`${ND}office.netdev`]: '[NetDev]\nName=office\nKind=vlan\n[VLAN]\nId=10\n',
      [`${ND}office.network`]: '[Match]\nName=office\n[Network]\nAddress=198.51.100.5/24\n',
      [`${ND}uplink.network`]: '[Match]\nName=uplink\n[Network]\nDHCP=yes\n',
      [`${ND}wifi.network`]: '[Match]\nType=wlan\nName=radio0\n[Network]\nDHCP=yes\n',
    },
    [A, B, C],
  );
  assert.deepEqual(told(plan), ['ens224=0a order', 'ens192=0b config-mac', 'ens256=0c order']);
  assert.deepEqual(plan.edits, [link(B, 'ens192'), link(A, 'ens224'), link(C, 'ens256')]);
  assert.deepEqual(ids(plan), ['guest.nic-order']);
});

test('patterns and addresses need no pin; drivers and places are said', async () => {
  const files = {
    ...MODERN,
    [`${ND}a.network`]: '[Match]\nName=e* eth0\n[Network]\nDHCP=yes\n',
    [`${ND}b.network`]: `[Match]\nMACAddress=${A}\n[Network]\nAddress=192.0.2.5/24\n`,
    [`${ND}c.network`]: '[Match]\nName=!lo docker*\n[Network]\nDHCP=yes\n',
  };
  assert.deepEqual(await pin(files, [A]), { pinned: [], edits: [], renewed: [], findings: [] });
  const hardware = { [`${ND}d.network`]: '[Match]\nDriver=vmxnet3\nPath=pci-0000:0b:*\n[Network]\nDHCP=yes\n' };
  assert.deepEqual(ids(await pin({ ...files, ...hardware }, [A])), ['guest.nic-match', 'guest.nic-match']);
});

test('a .link file that holds the name already is kept, and one with another name is changed in place', async () => {
  const lan = { [`${ND}lan.network`]: '[Match]\nName=lan0\n[Network]\nAddress=192.0.2.5/24\n' };
  const good = { [`${ND}10-lan.link`]: `[Match]\nMACAddress=${A}\n\n[Link]\nMTUBytes=9000\nName=lan0\n` };
  const kept = await pin({ ...MODERN, ...lan, ...good }, [A, B]);
  assert.deepEqual([told(kept), kept.edits, kept.findings], [['lan0=0a udev-rule'], [], []]);

  const wrong = `[Match]\nPermanentMACAddress=${A}\n\n[Link]\nName= lan9 \nMTUBytes=9000\n`;
  const changed = await pin({ ...MODERN, ...lan, [`${ND}10-lan.link`]: wrong }, [A, B], {
    seen: [{ name: 'lan0', mac: A }],
  });
  assert.deepEqual(changed.edits, [{ path: `${ND}10-lan.link`, text: wrong.replace('lan9', 'lan0') }]);
});

test('a .link file that would come first makes a rule of the pin; one that is for others does not', async () => {
  const lan = { [`${ND}lan.network`]: '[Match]\nName=lan0\n[Network]\nAddress=192.0.2.5/24\n' };
  const first = { [`${ND}10-all.link`]: '[Match]\nOriginalName=*\n[Link]\nWakeOnLan=magic\n' };
  assert.deepEqual((await pin({ ...MODERN, ...lan, ...first }, [A])).edits, [rule([A, 'lan0'])]);
  const others = {
    [`${ND}10-wifi.link`]: '[Match]\nType=wlan\n[Link]\nName=radio0\n',
    [`${ND}11-other.link`]: `[Match]\nMACAddress=${B}\n[Link]\nWakeOnLan=magic\n`,
    [`${ND}90-all.link`]: '[Match]\nOriginalName=*\n[Link]\nWakeOnLan=magic\n',
  };
  assert.deepEqual((await pin({ ...MODERN, ...lan, ...others }, [A])).edits, [link(A, 'lan0')]);
});

test('where .link files do not take effect, or names were turned off, the pin is a rule', async () => {
  const lan = { [`${ND}lan.network`]: '[Match]\nName=lan0\n' };
  const jessie = {
    ...MODERN,
    '/usr/lib/udev/rules.d/80-net-setup-link.rules':
      'IMPORT{cmdline}="net.ifnames"\nENV{net.ifnames}!="1", GOTO="end"\nIMPORT{builtin}="net_setup_link"\n',
  };
  const masked = { ...MODERN, '/etc/udev/rules.d/80-net-setup-link.rules': '' };
  for (const guest of [OLDER, jessie, masked]) {
    assert.deepEqual((await pin({ ...guest, ...lan }, [A])).edits, [rule([A, 'lan0'])]);
  }
});
