import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyDisk, Manifest, manifestFileBytes, openNbd } from '../src/blocks/index.js';
import { filesSite } from '../src/config.js';
import { openSite } from '../src/platforms/registry.js';
import type { Benchmark, Pair } from './benchmark.js';
import { GIB, MIB, qemuNbd, run, seconds, settle } from './support/servers.js';

const SIZE = 2 * GIB;
const PEER = 'qemu-img convert -W -m 16 -f vmdk -O qcow2';
const OWNER = { migrationId: 'c0ffee000001', workflowId: 'bench', cluster: 'bench', namespace: 'default' };

/**
 * From an OVA with a streamOptimized VMDK into a qcow2 replica, digested and flushed, read where it lies in the archive;
 * beside it qemu-img from the VMDK that was taken out of the archive before, flushed after it.
 */
export const ovaImport: Benchmark = {
  name: 'ova-import',
  unit: 'GiB/s',
  better: 'higher',
  peer: PEER,
  async run({ dir, rounds, log }) {
    const [raw, vmdk, target, manifest] = ['raw', 'web01.vmdk', 'target.qcow2', 'manifest'].map((name) =>
      join(dir, name),
    );
    if (!raw || !vmdk || !target || !manifest) throw new Error('no files');
    await halfPacked(raw);
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, vmdk]);
    await rm(raw);
    await writeFile(join(dir, 'web01.ovf'), envelope());
    await run('tar', ['--format=ustar', '-C', dir, '-cf', join(dir, 'web01.ova'), 'web01.ovf', 'web01.vmdk']);
    await rm(join(dir, 'web01.ovf'));
    const site = openSite('exports', filesSite.parse({ platform: 'files', path: join(dir, 'web01.ova') }));
    const ours = async (): Promise<void> => {
      const point = await site.openPoint({
        ...{
          owner: OWNER,
          vm: 'web01',
          disks: ['sda'],
          checkpoint: 'vmferry-c0ffee000001-1',
          since: null,
          quiesce: 'never',
        },
      });
      const [replica, store] = await Promise.all([
        openNbd({ socketPath: servers[0].socketPath }),
        openNbd({ socketPath: servers[1].socketPath }),
      ]);
      const { reader } = point.disks[0]!;
      await copyDisk({ source: reader, replica, manifest: new Manifest(store, SIZE), mode: 'unknown' });
      await Promise.all([replica.close(), store.close(), point.end()]);
    };
    const theirs = async (): Promise<void> => {
      const [program = '', ...args] = PEER.split(' ');
      await run(program, [...args, vmdk, target]);
      await run('sync', ['-d', target]);
    };
    let servers: [Awaited<ReturnType<typeof qemuNbd>>, Awaited<ReturnType<typeof qemuNbd>>];
    const pairs: Pair[] = [];
    for (let round = 0; round < rounds; round++) {
      const took = new Map<typeof ours, number>();
      for (const turn of round % 2 === 0 ? [ours, theirs] : [theirs, ours]) {
        await Promise.all([rm(target, { force: true }), rm(manifest, { force: true })]);
        if (turn === ours) {
          await run('qemu-img', ['create', '-q', '-f', 'qcow2', target, String(SIZE)]);
          await run('truncate', ['-s', String(manifestFileBytes(SIZE)), manifest]);
          servers = [await qemuNbd(dir, target, '-f', 'qcow2'), await qemuNbd(dir, manifest, '-f', 'raw')];
        }
        await settle();
        took.set(turn, await seconds(turn));
        if (turn === ours) await Promise.all(servers!.map((server) => server.end()));
      }
      const rate = (turn: typeof ours): number => SIZE / GIB / (took.get(turn) ?? NaN);
      log(`ours ${rate(ours).toFixed(2)} GiB/s, qemu-img ${rate(theirs).toFixed(2)} GiB/s`);
      pairs.push({ ours: rate(ours), theirs: rate(theirs) });
    }
    await site.close();
    return pairs;
  },
};

/** A quarter of it holds data, half of which is random: about what the disk of a server packs to. */
async function halfPacked(path: string): Promise<void> {
  const random = await open('/dev/urandom');
  const file = await open(path, 'w');
  await file.truncate(SIZE);
  const piece = Buffer.alloc(MIB, 'vmferry ');
  for (let at = 0; at < SIZE; at += 4 * MIB) {
    for (let within = 0; within < MIB; within += 64 * 1024) await random.read(piece, within, 32 * 1024);
    await file.write(piece, 0, MIB, at);
  }
  await Promise.all([random.close(), file.close()]);
}

function envelope(): string {
  const item = (type: number, more: string) =>
    `<Item><r:InstanceID>${type}</r:InstanceID>${more}<r:ResourceType>${type}</r:ResourceType></Item>`;
  return `<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:o="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:r="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References><File o:href="web01.vmdk" o:id="f"/></References>
  <DiskSection><Info/><Disk o:capacity="${SIZE}" o:diskId="d" o:fileRef="f"
    o:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
  <VirtualSystem o:id="web01"><Info/><VirtualHardwareSection><Info/>
    ${item(3, '<r:VirtualQuantity>1</r:VirtualQuantity>')}${item(4, '<r:VirtualQuantity>512</r:VirtualQuantity>')}
    ${item(20, '<r:ResourceSubType>AHCI</r:ResourceSubType>')}
    ${item(17, '<r:AddressOnParent>0</r:AddressOnParent><r:HostResource>ovf:/disk/d</r:HostResource><r:Parent>20</r:Parent>')}
  </VirtualHardwareSection></VirtualSystem></Envelope>`;
}
