import assert from 'node:assert/strict';
import test from 'node:test';
import { parse } from 'yaml';
import { vmferryConfig } from '../../src/config.js';
import { configText, lookAtLibvirt, type LocalLibvirt } from '../../src/cli/init.js';
import type { Host } from '../../src/exec/host.js';

test('what init writes is a valid configuration, whatever pools and networks are called', () => {
  const odd = ['a\nb: [', '"quoted"', 'täglich'];
  const machines: LocalLibvirt[] = [
    { missing: 'no virsh', pools: [], networks: [] },
    { missing: null, pools: ['images', 'default'], networks: ['default'] },
    { missing: null, pools: odd, networks: odd },
  ];
  for (const seen of machines) {
    const config = vmferryConfig.parse(parse(configText(seen)));
    assert.deepEqual(Object.keys(config.sites), ['here']);
    const expected = seen.pools.includes('default') ? 'default' : (seen.pools[0] ?? '/var/lib/libvirt/images');
    const { here } = config.sites;
    assert.ok(here?.platform === 'libvirt');
    assert.equal(here.storage, expected);
  }
});

test('looking at libvirt reads names by line, and a machine without it is no error', async () => {
  const answers = (verb: string | undefined) => (verb === 'pool-list' ? ' default\nfast pool \n\n' : '\n');
  const host = {
    run: (_: string, args: readonly string[]) => Promise.resolve({ stdout: answers(args[2]), stderr: '', exitCode: 0 }),
  } as unknown as Host;
  assert.deepEqual(await lookAtLibvirt(host), { missing: null, pools: ['default', 'fast pool'], networks: [] });
  const none = { run: () => Promise.reject(new Error('no such program: virsh')) } as unknown as Host;
  assert.deepEqual(await lookAtLibvirt(none), { missing: 'no such program: virsh', pools: [], networks: [] });
});
