import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSite } from '../../../../src/platforms/registry.js';
import { conformance, type PlatformLab } from '../../conformance.js';
import { DISK, VM } from '../../libvirt/vm-fixture.js';
import { MIB, siteConfig } from './bench.js';

async function open(): Promise<PlatformLab> {
  const root = await mkdtemp(join(tmpdir(), 'vmferry-conforms-'));
  const directory = join(root, 'exports');
  await mkdir(directory);
  await writeFile(join(directory, 'source01.raw'), '');
  await truncate(join(directory, 'source01.raw'), 8 * MIB);
  const never = () => Promise.reject(new Error('files do not run'));
  return {
    site: openSite('exports', siteConfig(directory, join(root, 'state'))),
    vm: 'source01',
    disks: [{ id: 'vda', sizeBytes: 8 * MIB }],
    target: { description: { ...VM, disks: [{ ...DISK, sizeBytes: MIB }] }, networks: { lan: 'lan' } },
    write: never,
    start: never,
    reset: () => Promise.resolve(),
    close: () => rm(root, { recursive: true, force: true }),
  };
}

const declared = {
  source: true,
  target: true,
  boots: false,
  changeTracking: false,
  quiesce: false,
  guestAgent: false,
  isolatedBoot: false,
};

conformance('files', declared, open);
