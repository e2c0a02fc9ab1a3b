import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { VmferryError } from '../../src/errors.js';
import { LocalHost } from '../../src/exec/local.js';

/**
 * A lab host's only way out: a pair of virtual interfaces between the caller's network namespace and the host's, with
 * addresses of 198.18.0.0/15, which RFC 2544 sets aside for tests. The interface's name says which /30 of it is taken,
 * so that making the interface is what reserves the addresses.
 */
export interface Link {
  readonly interface: string;
  /** Address of the host. */
  readonly address: string;
  /** Our address on the link. */
  readonly near: string;
  /** Limits the link in both directions (a rate of tc(8), such as `1gbit`), or lifts the limit with null. */
  shape(rate: string | null): Promise<void>;
  cut(): Promise<void>;
  heal(): Promise<void>;
  remove(): Promise<void>;
}

/** Name of the interface inside the host. */
const UPLINK = 'uplink';
const PREFIX = 'vmflab';
const SUBNETS = 2 ** 15;

export interface LinkAddresses {
  interface: string;
  near: string;
  address: string;
}

/** The addresses of one /30, chosen by chance among those no interface of this machine has. */
export async function chooseAddresses(): Promise<LinkAddresses> {
  const { stdout } = await new LocalHost().run('ip', ['-4', '-o', 'address', 'show']);
  for (let tries = 0; tries < 100; tries++) {
    const index = randomInt(SUBNETS);
    const chosen = addressesOf(index);
    if (!stdout.includes(` ${chosen.near}/`) && !stdout.includes(` ${chosen.interface} `)) return chosen;
  }
  throw new VmferryError('Conflict', 'cannot find a free network for a lab host in 198.18.0.0/15');
}

function addressesOf(index: number): LinkAddresses {
  const base = index * 4;
  const dotted = (last: number) => `198.${18 + (last >> 16)}.${(last >> 8) & 255}.${last & 255}`;
  return {
    interface: `${PREFIX}${index.toString(16).padStart(4, '0')}`,
    near: dotted(base + 1),
    address: dotted(base + 2),
  };
}

/** Joins the network namespace of process `pid` to ours. @throws VmferryError `ToolFailed` when the name is taken. */
export async function makeLink(pid: number, addresses: LinkAddresses): Promise<Link> {
  const machine = new LocalHost();
  const { interface: near } = addresses;
  const ip = (...args: string[]) => machine.run('ip', args);
  const inside = (...args: string[]) => machine.run('nsenter', ['-t', String(pid), '-n', '--', ...args]);
  await ip('link', 'add', near, 'type', 'veth', 'peer', 'name', UPLINK, 'netns', String(pid));
  await ip('address', 'add', `${addresses.near}/30`, 'dev', near);
  await inside('ip', 'address', 'add', `${addresses.address}/30`, 'dev', UPLINK);
  await inside('ip', 'link', 'set', UPLINK, 'up');
  await ip('link', 'set', near, 'up');
  await inside('ip', 'route', 'add', 'default', 'via', addresses.near);
  return {
    ...addresses,
    interface: near,
    shape: async (rate) => {
      for (const [run, device] of [
        [(...args: string[]) => machine.run('tc', args), near],
        [(...args: string[]) => inside('tc', ...args), UPLINK],
      ] as const) {
        if (rate) {
          const limit = ['rate', rate, 'burst', '256kb', 'latency', '50ms'];
          await run('qdisc', 'replace', 'dev', device, 'root', 'tbf', ...limit);
        } else {
          await run('qdisc', 'replace', 'dev', device, 'root', 'noqueue');
        }
      }
    },
    cut: async () => {
      await ip('link', 'set', near, 'down');
    },
    heal: async () => {
      await ip('link', 'set', near, 'up');
    },
    remove: () => removeInterface(near),
  };
}

/** Removes our end of a link, and with it the other; it would go by itself, but only some time after the host. */
export async function removeInterface(name: string): Promise<void> {
  const machine = new LocalHost();
  await machine.run('ip', ['link', 'del', name], { okExitCodes: [0, 1] });
  for (let tries = 0; tries < 50; tries++) {
    const { exitCode } = await machine.run('ip', ['link', 'show', name], { okExitCodes: [0, 1] });
    if (exitCode !== 0) return;
    await sleep(20);
  }
  throw new VmferryError('ToolFailed', `cannot remove the network interface ${name}: it is still there`);
}
