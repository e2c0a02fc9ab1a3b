import assert from 'node:assert/strict';
import test from 'node:test';
import { pinNics, type Card } from '../../../src/guest/nics/pin-nics.js';
import { memoryTree, withEdits } from '../../../src/guest/tree.js';
import { A, ANCIENT, B, ids, link, MODERN, ND, NETPLAN, NM, OLDER, RH, rule, RULES, ruleText, told } from './guest.js';

/** Guests of an OVA that says no addresses of its cards, and what they find by the address that they had. */

const OLD = '00:0c:29:ab:cd:0e';
const OTHER = '00:0c:29:ab:cd:0f';

const made = (mac: string, slot?: number): Card => ({ mac, slot, addressMade: true });

/** Pins, and sees that doing it again changes nothing and finds nothing to renew. */
async function pin(files: Record<string, string>, ...cards: Card[]) {
  const tree = memoryTree(files);
  const plan = await pinNics(tree, cards);
  const again = await pinNics(withEdits(tree, plan.edits), cards);
  assert.deepEqual([again.edits, again.renewed], [[], []]);
  assert.equal(
    again.findings.find(({ id }) => id === 'guest.nic-mac-new'),
    undefined,
  );
  return plan;
}

const texts = (plan: { edits: { path: string; text: string | null }[] }) =>
  Object.fromEntries(plan.edits.map(({ path, text }) => [path, text]));

test('HWADDR of the one card becomes the address that it got, and nothing else changes', async () => {
  const before = `# HWADDR=${OLD}\nTYPE="Ethernet"\nNAME='System ens192' # ${OLD}\nDEVICE=ens192\r\nHWADDR="00:0C:29:AB:CD:0E"   # the card\nMACADDR=${OLD}\nIPADDR=192.0.2.5\nPREFIX=24`;
  const plan = await pin({ ...OLDER, [`${RH}ens192`]: before }, made(A));
  assert.deepEqual(told(plan), ['ens192=0a only-one']);
  const after = before.replace('"00:0C:29:AB:CD:0E"', `"${A.toUpperCase()}"`);
  assert.deepEqual(texts(plan), { [`${RH}ens192`]: after, [RULES]: ruleText(A, 'ens192') });
  assert.deepEqual(ids(plan), ['guest.nic-mac-new']);
  assert.deepEqual(plan.renewed, [{ path: `${RH}ens192`, from: OLD, to: A }]);
});

test('an address that the source says itself shows that the file is for another card', async () => {
  const files = { ...OLDER, [`${RH}ens192`]: `DEVICE=ens192\nHWADDR=${OLD}\n` };
  const plan = await pin(files, { mac: A });
  assert.deepEqual([ids(plan), plan.renewed], [['guest.nic-mac'], []]);
  assert.deepEqual(plan.edits, [rule([A, 'ens192'])]);
});

test('key files of NetworkManager, with a VLAN by address and the older list of bytes', async () => {
  const card = `[connection]\nid=lan\ntype=ethernet\n\n[ethernet]\n# mac-address=${OLD}\nmac-address = 00-0C-29-AB-CD-0E \ncloned-mac-address=${OLD}\n\n[ipv4]\nmethod=manual\naddress1=192.0.2.5/24\n`;
  const vlan = `[connection]\ntype=vlan\ninterface-name=office\n[vlan]\nid=10\nparent=${OLD}\n`;
  const plan = await pin({ ...MODERN, [`${NM}lan.nmconnection`]: card, [`${NM}office.nmconnection`]: vlan }, made(A));
  assert.deepEqual(texts(plan), {
    [`${NM}lan.nmconnection`]: card.replace('00-0C-29-AB-CD-0E', '00-50-56-00-00-0A'),
    [`${NM}office.nmconnection`]: vlan.replace(OLD, A),
  });
  assert.deepEqual([told(plan), ids(plan)], [[], ['guest.nic-mac-new', 'guest.nic-mac-new']]);

  const bytes =
    '[connection]\ntype=802-3-ethernet\ninterface-name=eth0\n[802-3-ethernet]\nmac-address=0;12;41;171;205;14;\n';
  const older = await pin({ ...ANCIENT, [`${NM}eth0`]: bytes }, made(A));
  assert.equal(texts(older)[`${NM}eth0`], bytes.replace('0;12;41;171;205;14;', '0;80;86;0;0;10;'));
});

test("cloud-init's plan of netplan finds its card again; the address is text whatever its digits are", async () => {
  const before = `# This file is generated from information provided by the datasource.\nnetwork:\n    ethernets:\n        ens192:\n            addresses: [192.0.2.5/24]   # ${OLD}\n            match:\n                macaddress: ${OLD}\n            set-name: ens192\n    version: 2\n`;
  const plan = await pin({ ...MODERN, [`${NETPLAN}50-cloud-init.yaml`]: before }, made(A));
  assert.deepEqual(texts(plan), {
    [`${NETPLAN}50-cloud-init.yaml`]: before.replace(`macaddress: ${OLD}`, `macaddress: "${A}"`),
    [link(A, 'ens192').path]: link(A, 'ens192').text,
  });
  const flow = `network: {ethernets: {lan: {match: {macaddress: '${OLD.toUpperCase()}'}, addresses: [192.0.2.5/24]}}}\n`;
  const named = await pin({ ...MODERN, [`${NETPLAN}a.yaml`]: flow }, made(A));
  assert.deepEqual(texts(named), { [`${NETPLAN}a.yaml`]: flow.replace(OLD.toUpperCase(), A.toUpperCase()) });
});

test('files of systemd, with drop-ins, lists and a .link file that holds more than the name', async () => {
  const network = `[Match]\nMACAddress=${OTHER} \\\n# ${OLD}\n  000c.29ab.cd0e\n\n[Link]\nMACAddress=${OLD}\n[Network]\nAddress=192.0.2.5/24\n`;
  const files = {
    ...MODERN,
    [`${ND}lan.network`]: '[Match]\nName=lan0\n[Network]\nDHCP=no\n',
    [`${ND}lan.network.d/mac.conf`]: `[Match]\nPermanentMACAddress=${OLD}\n`,
    [`${ND}10-lan.link`]: `[Match]\nMACAddress=${OLD}\n\n[Link]\nMTUBytes=9000\nName=lan0\n`,
  };
  const plan = await pin(files, made(A));
  assert.deepEqual(texts(plan), {
    [`${ND}lan.network.d/mac.conf`]: `[Match]\nPermanentMACAddress=${A}\n`,
    [`${ND}10-lan.link`]: `[Match]\nMACAddress=${A}\n\n[Link]\nMTUBytes=9000\nName=lan0\n`,
  });
  const long = `[Match]\nMACAddress=\\\n; ${OLD}\n  000c.29AB.cd0e\n[Network]\nDHCP=no\n`;
  const alone = await pin({ ...MODERN, [`${ND}a.network`]: long }, made(A));
  assert.deepEqual(texts(alone), { [`${ND}a.network`]: long.replace('000c.29AB.cd0e', '0050.5600.000A') });
  // Of two addresses, either may be that of the card.
  const two = await pin({ ...MODERN, [`${ND}a.network`]: network }, made(A));
  assert.deepEqual([two.edits, ids(two)], [[], ['guest.nic-mac', 'guest.nic-mac']]);
  const both = await pin({ ...MODERN, [`${ND}a.network`]: network }, { mac: OTHER }, made(A));
  assert.deepEqual([both.edits, ids(both)], [[], ['guest.nic-mac']]);
});

test('of several cards, those whose name is known get their addresses, and the others are said', async () => {
  const ifcfg = (name: string, mac: string) => ({
    [`${RH}${name}`]: `DEVICE=${name}\nHWADDR=${mac}\nIPADDR=192.0.2.5\n`,
  });
  const files = { ...OLDER, ...ifcfg('ens192', OLD), ...ifcfg('ens224', OTHER) };
  const known = await pin(files, made(A, 224), made(B, 192));
  assert.deepEqual(told(known), ['ens224=0a name', 'ens192=0b name']);
  assert.deepEqual(texts(known), {
    ...ifcfg('ens192', B),
    ...ifcfg('ens224', A),
    [RULES]: rule([A, 'ens224'], [B, 'ens192']).text,
  });
  const guessed = await pin(files, made(A), made(B));
  assert.deepEqual([guessed.renewed, ids(guessed)], [[], ['guest.nic-order', 'guest.nic-mac', 'guest.nic-mac']]);
  // The second one says its address, so that the first is the other.
  const half = await pin({ ...OLDER, ...ifcfg('ens192', OLD), ...ifcfg('ens224', B) }, made(A), { mac: B });
  assert.deepEqual(half.renewed, [{ path: `${RH}ens192`, from: OLD, to: A }]);
});

test('an address that may be of a machine that this one is a copy of stays', async () => {
  const leftover = { ...OLDER, [`${RH}ens192`]: `DEVICE=ens192\nHWADDR=${OLD}\nIPADDR=192.0.2.4\n` };
  const used: Record<string, Record<string, string>> = {
    'a profile for any card': { [`${NM}any.nmconnection`]: '[connection]\ntype=ethernet\n[ipv4]\nmethod=auto\n' },
    'a profile for the same name': { [`${NM}a.nmconnection`]: '[connection]\ntype=ethernet\ninterface-name=ens192\n' },
    'a pattern of networkd': { [`${ND}a.network`]: '[Match]\nName=en*\n[Network]\nDHCP=yes\n' },
    'all cards of networkd': { [`${ND}a.network`]: '[Match]\nType=ether\n[Network]\nDHCP=yes\n' },
    'a pattern of netplan': {
      [`${NETPLAN}a.yaml`]: 'network: {ethernets: {all: {match: {name: "e*"}, dhcp4: true}}}\n',
    },
    'a pattern of ifupdown': { '/etc/network/interfaces': 'auto /en*=lan\niface lan inet dhcp\n' },
    'two addresses for one name': { [`${RH}other`]: `DEVICE=ens192\nHWADDR=${OTHER}\n` },
  };
  for (const [what, more] of Object.entries(used)) {
    const plan = await pin({ ...leftover, ...more }, made(A));
    assert.deepEqual([plan.renewed, ids(plan).includes('guest.nic-mac')], [[], true], what);
  }
});

test('what cannot be changed in place stays, and is said', async () => {
  const files = {
    ...MODERN,
    [`${NETPLAN}a.yaml`]: `network: {ethernets: {lan: {match: {macaddress: "00:0c:29:ab:cd\\x3a0e"}}}}\n`,
  };
  const plan = await pin(files, made(A));
  assert.deepEqual([plan.edits, ids(plan)], [[], ['guest.nic-mac']]);
});
