import type { Host } from '../../src/exec/host.js';

/** Subnet of the bridge at every lab host: the same everywhere, as one guest's address has to fit at both sides. */
export const LAN = { network: 'lan', bridge: 'vmlan0', address: '192.168.150.1', netmask: '255.255.255.0' } as const;

/** The pool and the network that every lab host has. */
export async function setUpLibvirt(host: Host, images: string): Promise<void> {
  const virsh = (args: string[], input?: string) =>
    host.run('virsh', ['-q', '-c', 'qemu:///system', ...args], input === undefined ? {} : { input });
  await virsh(
    ['net-define', '/dev/stdin'],
    // Open: no rules of a firewall are set up, and no name server is started.
    `<network>
      <name>${LAN.network}</name>
      <forward mode='open'/>
      <bridge name='${LAN.bridge}' stp='off' delay='0'/>
      <dns enable='no'/>
      <ip address='${LAN.address}' netmask='${LAN.netmask}'/>
    </network>`,
  );
  await virsh(['net-autostart', LAN.network]);
  await virsh(['net-start', LAN.network]);
  await virsh(
    ['pool-define', '/dev/stdin'],
    `<pool type='dir'><name>default</name><target><path>${images}</path></target></pool>`,
  );
  await virsh(['pool-autostart', 'default']);
  await virsh(['pool-start', 'default']);
}
