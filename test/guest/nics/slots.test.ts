import assert from 'node:assert/strict';
import test from 'node:test';
import { pinNics } from '../../../src/guest/nics/pin-nics.js';
import { memoryTree } from '../../../src/guest/tree.js';
import { parseVmx } from '../../../src/platforms/files/vmx.js';
import { A, B, C, ids, MODERN, OLDER, pin, told } from './guest.js';

/** Names that say which card they are for, by the machine's description. */

const [D, E] = ['00:50:56:00:00:0d', '00:50:56:00:00:0e'];

/** A machine file as ESXi writes it, with cards at these slots. */
function machine(...cards: [mac: string, slot: number, model?: string][]) {
  const lines = cards.flatMap(([mac, slot, model = 'vmxnet3'], index) => [
    `ethernet${index}.virtualDev = "${model}"`,
    `ethernet${index}.networkName = "VM Network"`,
    `ethernet${index}.addressType = "vpx"`,
    `ethernet${index}.generatedAddress = "${mac}"`,
    `ethernet${index}.pciSlotNumber = "${slot}"`,
    `ethernet${index}.present = "TRUE"`,
  ]);
  return parseVmx(['displayName = "web"', 'guestOS = "debian12-64"', ...lines].join('\n'), 'web.vmx').vm.nics;
}

const plan = (...names: string[]) => ({
  '/etc/netplan/50-vmware.yaml': `network:\n  version: 2\n  ethernets:\n${names.map((name) => `    ${name}: {addresses: [192.0.2.5/24]}\n`).join('')}`,
});

test('five cards of ESXi get the names that their slots give them', async () => {
  const nics = machine([A, 160], [B, 192], [C, 224], [D, 256], [E, 1184]);
  const files = { ...MODERN, ...plan('ens160', 'ens161', 'ens192', 'ens224', 'ens256') };
  const expected = ['ens160=0a', 'ens192=0b', 'ens224=0c', 'ens256=0d', 'ens161=0e'];
  const found = await pinNics(memoryTree(files), nics);
  assert.deepEqual([told(found), ids(found)], [expected.map((each) => `${each} name`), []]);
  // A package that says no slots: in the order in which VMware gives them out.
  const guessed = await pin(files, [A, B, C, D, E]);
  assert.deepEqual([told(guessed), ids(guessed)], [expected.map((each) => `${each} order`), ['guest.nic-order']]);
});

test('a card of another kind that was added before or after keeps its name', async () => {
  const nics = machine([A, 192], [B, 33, 'e1000']);
  const names = await pinNics(memoryTree({ ...OLDER, ...plan('ens33', 'ens192') }), nics);
  assert.deepEqual([told(names), ids(names)], [['ens192=0a name', 'ens33=0b name'], []]);
  // What is numbered as the kernel finds the cards is numbered by their places on the bus.
  const kernel = await pinNics(memoryTree({ ...OLDER, ...plan('enp2s1', 'enp11s0') }), nics);
  assert.deepEqual(told(kernel), ['enp11s0=0a order', 'enp2s1=0b order']);
});

test('what the guest says itself counts more than a slot', async () => {
  const nics = machine([A, 160], [B, 192]);
  const ifcfg = '/etc/sysconfig/network-scripts/ifcfg-ens';
  const files = {
    ...OLDER,
    [`${ifcfg}160`]: `DEVICE=ens160\nHWADDR=${B}\n`,
    [`${ifcfg}192`]: 'DEVICE=ens192\n',
  };
  assert.deepEqual(told(await pinNics(memoryTree(files), nics)), ['ens192=0a only-one', 'ens160=0b config-mac']);
});

test('a leftover for a slot that has no card takes no card from one that has', async () => {
  const found = await pinNics(memoryTree({ ...MODERN, ...plan('ens160', 'ens192') }), machine([A, 192]));
  assert.deepEqual([told(found), ids(found)], [['ens192=0a name'], ['guest.nic-unknown']]);
  assert.match(found.findings[0]?.message ?? '', /does not have: ens160 /);
});

test('an address in a name is the address of its card', async () => {
  const found = await pin({ ...MODERN, ...plan('enx00505600000a', 'enx00505600000b', 'enx00505600') }, [B, A, C]);
  assert.deepEqual(told(found), ['enx00505600000b=0b name', 'enx00505600000a=0a name', 'enx00505600=0c only-one']);
  assert.deepEqual(ids(found), []);
});
