import assert from 'node:assert/strict';
import test from 'node:test';
import { A, B, C, ids, link, MODERN, NM, pin, told } from './guest.js';

const D = '00:50:56:00:00:0d';

test('profiles by name, by address and by both, with comments and the older ways of writing', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${NM}first.nmconnection`]: `# a comment = here\n[connection]\nid=Kabel "eins"\ntype=ethernet\ninterface-name = ens192 \n\n[ethernet]\nmac-address=${B.toUpperCase()}\n[ipv4]\naddress1=192.0.2.5/24,192.0.2.1\nmethod=manual\n`,
      [`${NM}old name`]:
        '[connection]\ntype=802-3-ethernet\ninterface-name=eno2\n; not this\n[802-3-ethernet]\nmac-address=0;80;86;0;0;10;\n',
      [`${NM}by address.nmconnection`]: `[connection]\ntype=ethernet\n[ethernet]\nmac-address=${C}\n`,
      [`${NM}.hidden.nmconnection`]: '[connection]\ntype=ethernet\ninterface-name=eno7\n',
      [`${NM}first.nmconnection~`]: '[connection]\ntype=ethernet\ninterface-name=eno8\n',
    },
    [A, B, C],
  );
  assert.deepEqual(told(plan), ['eno2=0a config-mac', 'ens192=0b config-mac']);
  assert.deepEqual(plan.edits, [link(A, 'eno2'), link(B, 'ens192')]);
  assert.deepEqual(plan.findings, []);
});

test('bonds, VLANs, bridges and wireless profiles are not cards; their parents and ports are', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${NM}uplink.nmconnection`]:
        '[connection]\ntype=bond\ninterface-name=uplink\n[bond]\nmode=active-backup\nprimary=ens192\n',
      [`${NM}port1.nmconnection`]:
        '[connection]\ntype=ethernet\ninterface-name=ens192\nmaster=uplink\nslave-type=bond\n',
      [`${NM}port2.nmconnection`]:
        '[connection]\ntype=ethernet\ninterface-name=ens224\ncontroller=uplink\nport-type=bond\n',
      [`${NM}office.nmconnection`]: '[connection]\ntype=vlan\ninterface-name=office\n[vlan]\nid=10\nparent=ens256\n',
      [`${NM}lab.nmconnection`]: '[connection]\ntype=vlan\ninterface-name=uplink.20\n[vlan]\nid=20\nparent=uplink\n',
      [`${NM}lab2.nmconnection`]:
        '[connection]\ntype=vlan\n[vlan]\nid=20\nparent=3f1c0a9e-5a43-4b1f-9b50-0d0f6f1d3a10\n',
      [`${NM}home.nmconnection`]: '[connection]\ntype=wifi\ninterface-name=wifi0\n',
    },
    [A, B, C],
    {
      seen: [
        { name: 'ens192', mac: C },
        { name: 'ens256', mac: B },
        { name: 'uplink', mac: C },
      ],
    },
  );
  assert.deepEqual(told(plan), ['ens224=0a only-one', 'ens256=0b agent', 'ens192=0c agent']);
  assert.deepEqual(plan.edits, [link(C, 'ens192'), link(A, 'ens224'), link(B, 'ens256')]);
  assert.deepEqual(plan.findings, []);
});

test('cards below MACsec, VXLAN, PPPoE and a VLAN by address are found', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${NM}dsl`]: '[connection]\ntype=pppoe\ninterface-name=ens192\n',
      [`${NM}dsl2`]: '[connection]\ntype=pppoe\ninterface-name=ppp0\n[pppoe]\nparent=ens224\n',
      [`${NM}safe`]: '[connection]\ntype=macsec\ninterface-name=safe\n[macsec]\nparent=ens256\n',
      [`${NM}office`]: `[connection]\ntype=vlan\ninterface-name=office\n[ethernet]\nmac-address=${D}\n[vlan]\nid=10\n`,
    },
    [A, B, C],
  );
  assert.deepEqual(told(plan), ['ens192=0a order', 'ens224=0b order', 'ens256=0c order']);
  assert.deepEqual(ids(plan), ['guest.nic-order', 'guest.nic-mac']);
});

test('patterns need no pin; a match on the driver does not hold at the target', async () => {
  const plan = await pin(
    {
      ...MODERN,
      [`${NM}any.nmconnection`]: '[connection]\ntype=ethernet\n[match]\ninterface-name=en*;eth0;\n',
      [`${NM}model.nmconnection`]: '[connection]\ntype=ethernet\n[match]\ndriver=vmxnet3;\n',
    },
    [A],
  );
  assert.deepEqual([plan.pinned, plan.edits, ids(plan)], [[], [], ['guest.nic-match']]);
});
