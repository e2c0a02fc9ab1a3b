import assert from 'node:assert/strict';
import test from 'node:test';
import { pinNics } from '../../../src/guest/nics/pin-nics.js';
import { memoryTree } from '../../../src/guest/tree.js';
import { A, B, ids, link, MODERN, pin, told } from './guest.js';

/** Guests that were made to harm. */

/** By the processor's time, which a busy machine does not change; each takes a small part of it. */
const MOST_CPU_MS = 20_000;
let before: NodeJS.CpuUsage;
test.beforeEach(() => (before = process.cpuUsage()));
test.afterEach(() => assert.ok(process.cpuUsage(before).user < MOST_CPU_MS * 1000));

const INTERFACES = '/etc/network/interfaces';

test('names that would leave their folder or their rule are refused, the others are pinned', async () => {
  const names = [
    '../../root/x',
    '..',
    '.',
    'a/b',
    'far-too-long-a-name',
    'e"RUN+="x',
    'e%k',
    'e$x',
    '12',
    'default',
    '__proto__',
  ];
  const plan = await pin(
    {
      ...MODERN,
      '/etc/netplan/a.yaml': `network: {ethernets: {${names.map((name) => `'${name}': {}`).join(', ')}, 'tab\\tbed': {}, "nl\\nx": {}}}\n`,
      '/etc/sysconfig/network-scripts/ifcfg-x': "DEVICE='../../etc/passwd'\n",
    },
    [A],
    { seen: [{ name: '../../root/x', mac: A }] },
  );
  assert.deepEqual(plan.edits, [link(A, '__proto__')]);
  assert.ok(ids(plan).filter((id) => id === 'guest.nic-name').length >= names.length - 1);
});

test('a configuration of 10 MB is not looked at, and that is said', async () => {
  const plan = await pin({ ...MODERN, [INTERFACES]: 'auto eth0\n'.repeat(2 ** 20) }, [A]);
  assert.deepEqual([plan.pinned, ids(plan)], [[], ['guest.config-unreadable']]);
});

test('NULs make no configuration', async () => {
  const plan = await pin({ ...MODERN, [INTERFACES]: 'auto eth0\n\0' }, [A]);
  assert.deepEqual([plan.pinned, ids(plan)], [[], ['guest.config-unreadable']]);
});

test('files that include one another, themselves and what is elsewhere are read once', async () => {
  const reads: string[] = [];
  const tree = memoryTree({
    ...MODERN,
    [INTERFACES]:
      'source /etc/network/interfaces\nsource ../../../../../etc/network/b\nsource /srv/*/net[ab]?.conf\nsource-directory /\nauto ens1\n',
    '/etc/network/b': 'source interfaces b\nsource /etc/network/*\n',
    '/srv/x/neta1.conf': 'auto ens2\n',
    '/srv/x/netc1.conf': 'auto ens3\n',
  });
  const counted = {
    ...tree,
    list: (dir: string) => tree.list(dir),
    read: (path: string) => (reads.push(path), tree.read(path)),
  };
  const plan = await pinNics(counted, [{ mac: A }, { mac: B }]);
  assert.deepEqual(told(plan), ['ens1=0a order', 'ens2=0b order']);
  assert.equal(reads.filter((path) => path === INTERFACES).length, 1);
});

test('an endless chain of files ends', async () => {
  const tree = memoryTree(MODERN);
  const chain = {
    list: (dir: string) => tree.list(dir),
    read: (path: string) => {
      const at = path === INTERFACES ? 0 : Number(/^\/n(\d+)$/.exec(path)?.[1] ?? NaN);
      return Number.isNaN(at) ? tree.read(path) : Promise.resolve(`source /n${at + 1}\n`);
    },
  };
  assert.deepEqual(ids(await pinNics(chain, [{ mac: A }])), ['guest.config-unreadable']);
});

test('YAML bombs, depths and nonsense are not looked at', async () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...[...'bcdefghi'].map((each, i) => `${each}: &${each} [${`*${'abcdefghi'[i]},`.repeat(9)}]`),
  ];
  const texts = [
    `${bomb.join('\n')}\nnetwork: {ethernets: *i}\n`,
    '['.repeat(100_000),
    '{a: '.repeat(50_000),
    Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n'),
    'a: 1\n'.repeat(40_000),
    '- '.repeat(100_000),
    '? '.repeat(100_000),
    'a: '.repeat(50_000),
    '!a '.repeat(50_000),
    '&a '.repeat(50_000),
    '"\n'.repeat(50_000),
    '%',
    'network: [1]',
    'network: {ethernets: [eth0]}',
    '',
  ];
  for (const text of texts) {
    const plan = await pinNics(memoryTree({ ...MODERN, '/etc/netplan/a.yaml': text }), [{ mac: A }]);
    assert.deepEqual([plan.pinned, plan.edits], [[], []]);
  }
  assert.deepEqual(ids(await pin({ ...MODERN, '/etc/netplan/a.yaml': texts[0] ?? '' }, [A])), [
    'guest.config-unreadable',
  ]);
});

test('patterns, quotes and rules that go on without end take no time', async () => {
  const long = 'a'.repeat(200_000);
  await pin(
    {
      ...MODERN,
      [INTERFACES]: `source /etc/${'*a'.repeat(400)}b\nsource /etc/${'['.repeat(100_000)}\nauto ${long}\n${'iface \\\n'.repeat(50_000)}`,
      [`/etc/${'a'.repeat(250)}`]: '',
      '/etc/sysconfig/network-scripts/ifcfg-a': `DEVICE="${long}\nDEVICE='${long}\n${"A='\n".repeat(100_000)}`,
      '/etc/udev/rules.d/1.rules': `${'A{'.repeat(8000)}\n${'A'.repeat(16_000)}\n${'A="'.repeat(5000)}\n${'NAME="a" \\\n'.repeat(50_000)}`,
      '/etc/systemd/network/a.network': `[Match]\nName=${'a \\\n'.repeat(200_000)}`,
      '/etc/systemd/network/b.network': `[Match]\n${'Name=a\n'.repeat(100_000)}`,
    },
    [A],
  );
});

test('stanzas, patterns and commands without end take no time', async () => {
  const stanzas = Array.from({ length: 30_000 }, (_, index) => `iface x${index} inet dhcp`);
  const patterns = Array.from({ length: 5000 }, (_, index) => `/*a*b*c*d*e*f*g*${index}*`);
  const commands = Array.from({ length: 500 }, () => `up ip link add ${'$IFACE'.repeat(20)}`);
  const text = [`auto ${patterns.join(' ')}`, ...stanzas, ...commands].join('\n');
  assert.ok(text.length < 2 ** 20);
  await pin({ ...MODERN, [INTERFACES]: text }, [A]);
  const long = `up ${'ip link add '.repeat(10_000)}${'$IFACE;'.repeat(10_000)}`;
  await pin({ ...MODERN, [INTERFACES]: `iface ${'a'.repeat(100_000)} inet manual\n${long}\n` }, [A]);
});

test('patterns that are each held against each take no time, and very many are cut', async () => {
  const words = (from: number) => Array.from({ length: 100 }, (_, index) => `ens*${'?*'.repeat(20)}${from + index}*`);
  const files = Array.from({ length: 300 }, (_, index): [string, string] => [
    `/etc/systemd/network/${index}.network`,
    `[Match]\nName=${words(index).join(' ')}\n[Network]\nAddress=192.0.2.5/24\n`,
  ]);
  const plan = await pin({ ...MODERN, ...Object.fromEntries(files) }, [A]);
  assert.ok(ids(plan).includes('guest.config-unreadable'));
});

test('more names than any machine has are cut, and that is said', async () => {
  const names = Array.from({ length: 5000 }, (_, index) => `ens${index}`);
  const plan = await pin({ ...MODERN, [INTERFACES]: `auto ${names.join(' ')}\n` }, [A, B]);
  assert.deepEqual([told(plan), plan.edits], [[], []]);
  assert.deepEqual(ids(plan), ['guest.config-unreadable', 'guest.nic-unclear']);
  assert.ok(plan.findings.every((each) => each.message.length < 2000));
});

test('rules without end, and cards whose addresses were made up, take no time', async () => {
  const macOf = (index: number) => `02:00:00${index.toString(16).padStart(6, '0').replace(/../g, ':$&')}`;
  const rules = (from: number) =>
    Array.from({ length: 20_000 }, (_, index) => `ATTR{address}=="${macOf(from + index)}",NAME="lan"\n`).join('');
  const files = [0, 1, 2].map((nth): [string, string] => [`/etc/udev/rules.d/${nth}.rules`, rules(nth * 20_000)]);
  const tree = memoryTree({ ...MODERN, [INTERFACES]: 'auto eth0\n', ...Object.fromEntries(files) });
  await pinNics(tree, [{ mac: A, addressMade: true }]);
});
