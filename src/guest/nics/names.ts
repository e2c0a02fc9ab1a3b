/** Names and addresses of network interfaces. */

/** The kernel's rule (net/core/dev.c, dev_valid_name): 1 to 15 bytes, no `/`, no `:`, no blanks, not `.` or `..`. */
export function isInterfaceName(name: string): boolean {
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= 15 && !/[/:\s\0]/.test(name) && name !== '.' && name !== '..';
}

/**
 * Whether a name may be part of a path and of a rule that we write. Narrower than the kernel's rule: a quote would end
 * the rule's value, `%` and `$` mean something in it, and systemd takes neither digits alone nor `all` and `default`.
 */
export function isPinnable(name: string): boolean {
  const harmless = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name);
  return harmless && isInterfaceName(name) && !/^\d+$/.test(name) && name !== 'all' && name !== 'default';
}

/** Names that the kernel itself gives, in the order in which it finds the cards. */
export function isKernelName(name: string): boolean {
  return /^eth\d+$/.test(name);
}

/** An Ethernet address as `aa:bb:cc:dd:ee:ff`, from any of the ways of writing it; null for anything else. */
export function ethernetAddress(text: string): string | null {
  const bare = text.trim().toLowerCase();
  const pairs = /^[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}$/.test(bare) ? bare.split(/[:-]/) : null;
  if (pairs) return pairs.map((pair) => pair.padStart(2, '0')).join(':');
  if (!/^[0-9a-f]{4}(\.[0-9a-f]{4}){2}$/.test(bare)) return null;
  return (bare.replaceAll('.', '').match(/../g) ?? []).join(':');
}

/** `eth0:1` (an alias) and `eth0.100` (a VLAN) stand on `eth0`. */
export function physicalBase(name: string): string {
  return name.replace(/:.*$/, '').replace(/\.\d{1,4}$/, '');
}

/** Names that by custom belong to no card, where a configuration does not say what they are. */
export function looksVirtual(name: string): boolean {
  const made = /^(lo|(bond|team|vlan|dummy|veth|vnet|tun|tap|wg|ppp|sit|gre|can|vxlan|macvlan|ipvlan|ib)\d*|vmbr\d+)$/;
  return made.test(name) || /^(br(\d|-|idge)|virbr|docker|lxc|lxd|cni|ovs|wl(an|p|x|s|o)|ww(an|p)|ip6tnl)/.test(name);
}

/**
 * `eth2` before `eth10`, `ens192` before `ens224`: the order in which both kernels and hypervisors number cards. VMware
 * puts its first four behind four bridges, at the slots 160, 192, 224 and 256, and those that follow beside them: 161, 193.
 */
export function byNumber(a: string, b: string): number {
  return inTurn(a).localeCompare(inTurn(b), 'en', { numeric: true });
}

function inTurn(name: string): string {
  const slot = Number(/^ens(\d{3})$/.exec(name)?.[1]);
  return slot >= 160 && slot < 288 ? `ens${(slot % 32) * 1000 + slot}` : name;
}
