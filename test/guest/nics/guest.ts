import assert from 'node:assert/strict';
import { pinNics, type NicPlan, type PinOptions } from '../../../src/guest/nics/pin-nics.js';
import { memoryTree, withEdits } from '../../../src/guest/tree.js';

/** Trees of guests of several ages, and what a pin looks like in each. */

export const A = '00:50:56:00:00:0a';
export const B = '00:50:56:00:00:0b';
export const C = '00:50:56:00:00:0c';

/** systemd 240 and later: .link files that are new take effect. */
export const MODERN = {
  '/usr/lib/udev/rules.d/80-net-setup-link.rules': 'SUBSYSTEM!="net", GOTO="end"\nIMPORT{builtin}="net_setup_link"\n',
  '/usr/lib/systemd/network/99-default.link':
    '[Match]\nOriginalName=*\n\n[Link]\nNamePolicy=keep kernel database onboard slot path\nMACAddressPolicy=persistent\n',
};
/** systemd 219, such as in CentOS 7: what the initramfs named stays so, unless a rule names it. */
export const OLDER = {
  ...MODERN,
  '/usr/lib/systemd/network/99-default.link': '[Link]\nNamePolicy=kernel database onboard slot path\n',
};
/** udev before systemd, such as in CentOS 6. */
export const ANCIENT = { '/lib/udev/rules.d/75-persistent-net-generator.rules': '# writes 70-persistent-net.rules\n' };

/** Where the systems keep what they say of network cards. */
export const RH = '/etc/sysconfig/network-scripts/ifcfg-';
export const SUSE = '/etc/sysconfig/network/ifcfg-';
export const NM = '/etc/NetworkManager/system-connections/';
export const ND = '/etc/systemd/network/';
export const NETPLAN = '/etc/netplan/';

export const RULES = '/etc/udev/rules.d/70-persistent-net.rules';
const REMARK =
  '# Written by vmferry: keeps the name of the network card with this address, whatever its model and place.\n';

export const ruleText = (mac: string, name: string) =>
  `${REMARK}SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${mac}", ATTR{dev_id}=="0x0", ATTR{type}=="1", NAME="${name}"\n`;

export const rule = (...pins: [string, string][]) => ({
  path: RULES,
  text: pins.map(([mac, name]) => ruleText(mac, name)).join(''),
  mode: 0o644,
});

export const link = (mac: string, name: string) => ({
  path: `/etc/systemd/network/70-vmferry-${name}.link`,
  text: `${REMARK}[Match]\nMACAddress=${mac}\nPath=*\n\n[Link]\nName=${name}\n`,
  mode: 0o644,
});

/** Pins, and sees that doing it again changes nothing. */
export async function pin(files: Record<string, string>, macs: string[], options: PinOptions = {}): Promise<NicPlan> {
  const tree = memoryTree(files);
  const nics = macs.map((mac) => ({ mac }));
  const plan = await pinNics(tree, nics, options);
  const again = withEdits(tree, plan.edits);
  for (const each of [options, {}]) assert.deepEqual((await pinNics(again, nics, each)).edits, []);
  return plan;
}

/** `name=mac evidence`, short enough to compare at a glance. */
export const told = (plan: NicPlan) => plan.pinned.map((each) => `${each.name}=${each.mac.slice(-2)} ${each.evidence}`);
export const ids = (plan: { findings: { id: string }[] }) => plan.findings.map((each) => each.id);
