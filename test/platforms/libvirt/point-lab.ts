import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import type { LabHost } from '../../../lab/host/lab-host.js';
import type { BlockReader } from '../../../src/blocks/index.js';
import { libvirtSite } from '../../../src/config.js';
import { VmferryError } from '../../../src/errors.js';
import { connectLibvirt, type LibvirtConnection } from '../../../src/platforms/libvirt/connect.js';
import { createLibvirtSource } from '../../../src/platforms/libvirt/source.js';
import type { SourcePart } from '../../../src/platforms/libvirt/vm-site.js';
import type { PointRequest } from '../../../src/platforms/platform.js';
import { defineVm, removeVm, startPaused, startTestHost } from './lab-vm.js';

/** For tests of points in time: a lab host with the VM `vm`, whose processor does not run. */

export const MIB = 2 ** 20;
export const ID = '0123456789ab';
const OWNER = { migrationId: ID, workflowId: 'w', cluster: 'c', namespace: 'default' };
export const DISKS = [
  { id: 'vda', format: 'qcow2', sizeMib: 64 },
  { id: 'vdb', format: 'qcow2', sizeMib: 16 },
  { id: 'vdc', format: 'raw', sizeMib: 8 },
] as const;

export interface PointLab {
  host: LabHost;
  at: LibvirtConnection;
  source: SourcePart;
}

/** Its fields are there when the first test begins. After each test nothing may be left of points. */
export function usePointLab(): PointLab {
  const lab = {} as PointLab;
  before(async () => {
    lab.host = await startTestHost('points');
    lab.at = connectLibvirt('dc', libvirtSite.parse({ ...lab.host.config, scratchReserve: '32MiB' }));
    lab.source = createLibvirtSource(lab.at);
  });
  after(async () => {
    await lab.at.host.close();
    await lab.host.stop();
  });
  afterEach(async () => {
    await lab.source.endPoints('vm', ID);
    await removeVm(lab.host, 'vm');
    assert.equal(await traces(lab.host), '', 'something is left at the site');
  });
  return lab;
}

/** Files and processes of points that are still there. */
async function traces(host: LabHost): Promise<string> {
  const script =
    'ls "$1"/vmferry-* "$2"/points/vmferry-* 2>/dev/null; sleep 0.6; pgrep -x qemu-nbd; pgrep -af "^virsh .* event --domain"; exit 0';
  return (await host.host.run('sh', ['-c', script, 'sh', host.images, `${host.directory}/vmferry`])).stdout;
}

export const request = (n: number, since: number | null = null, more: Partial<PointRequest> = {}): PointRequest => ({
  owner: OWNER,
  vm: 'vm',
  disks: DISKS.map((disk) => disk.id),
  checkpoint: `vmferry-${ID}-${n}`,
  since: since === null ? null : `vmferry-${ID}-${since}`,
  quiesce: 'auto',
  ...more,
});

export const code = (wanted: string) => (error: unknown) => error instanceof VmferryError && error.code === wanted;

/** What the reader says changed, neighbours joined: offset and length. */
export async function dirty(reader: BlockReader): Promise<[number, number][]> {
  const found: [number, number][] = [];
  for await (const extent of reader.extents(0, reader.sizeBytes)) {
    if (!extent.changed) continue;
    const last = found.at(-1);
    if (last && last[0] + last[1] === extent.offsetBytes) last[1] += extent.lengthBytes;
    else found.push([extent.offsetBytes, extent.lengthBytes]);
  }
  return found;
}

export async function byteAt(reader: BlockReader, offset: number): Promise<number> {
  const buffer = Buffer.alloc(512);
  await reader.read(offset, buffer);
  return buffer[0]!;
}

export async function running(host: LabHost): Promise<void> {
  await defineVm(host, 'vm', DISKS);
  await startPaused(host, 'vm');
}

export async function jobRuns(host: LabHost): Promise<boolean> {
  const { exitCode } = await host.host.run('virsh', ['-q', 'backup-dumpxml', 'vm'], { okExitCodes: [0, 1] });
  return exitCode === 0;
}

export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !(await condition());) {
    assert.ok(Date.now() < deadline, 'it did not happen within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
