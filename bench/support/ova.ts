import { open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyDisk, Manifest, manifestFileBytes, openNbd } from '../../src/blocks/index.js';
import type { SourceSite } from '../../src/platforms/source-site.js';
import type { Pair } from '../benchmark.js';
import { GIB, MIB, qemuNbd, run, seconds, settle, type NbdServer } from './servers.js';

const OWNER = { migrationId: 'c0ffee000001', workflowId: 'bench', cluster: 'bench', namespace: 'default' };

export interface Ova {
  ova: string;
  /** What lies in the archive, by itself. */
  vmdk: string;
  /** Where it lies there. */
  offsetBytes: number;
  vmdkBytes: number;
}

const TAR_BLOCK_BYTES = 512;

/** An OVA `web01` with one streamOptimized VMDK. */
export async function makeOva(dir: string, sizeBytes: number): Promise<Ova> {
  const raw = join(dir, 'raw');
  const vmdk = join(dir, 'web01.vmdk');
  const ovf = join(dir, 'web01.ovf');
  const ova = join(dir, 'web01.ova');
  await halfPacked(raw, sizeBytes);
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, vmdk]);
  await rm(raw);
  await writeFile(ovf, envelope(sizeBytes));
  await run('tar', ['--format=ustar', '-C', dir, '-cf', ova, 'web01.ovf', 'web01.vmdk']);
  const [envelopeFile, vmdkFile] = await Promise.all([stat(ovf), stat(vmdk)]);
  await rm(ovf);
  // A header each, and the envelope's blocks between them (POSIX ustar).
  const blocks = 2 + Math.ceil(envelopeFile.size / TAR_BLOCK_BYTES);
  return { ova, vmdk, offsetBytes: blocks * TAR_BLOCK_BYTES, vmdkBytes: vmdkFile.size };
}

/** What is measured: the site's machine into a qcow2 replica, digested and flushed; beside it `theirs`, which writes `target`. */
export interface Import {
  site: Pick<SourceSite, 'openPoint'>;
  dir: string;
  target: string;
  sizeBytes: number;
  rounds: number;
  theirs: () => Promise<void>;
  log: (line: string) => void;
}

/** Pairs in GiB of the disk a second. */
export async function importPairs({ site, dir, target, sizeBytes, rounds, theirs, log }: Import): Promise<Pair[]> {
  const manifest = join(dir, 'manifest');
  const ours = async (replicaServer: NbdServer, manifestServer: NbdServer): Promise<void> => {
    const checkpoint = 'vmferry-c0ffee000001-1';
    const point = await site.openPoint({
      ...{ owner: OWNER, vm: 'web01', disks: ['sda'], checkpoint, since: null, quiesce: 'never' },
    });
    const [replica, store] = await Promise.all([
      openNbd({ socketPath: replicaServer.socketPath }),
      openNbd({ socketPath: manifestServer.socketPath }),
    ]);
    const { reader } = point.disks[0]!;
    await copyDisk({ source: reader, replica, manifest: new Manifest(store, sizeBytes), mode: 'unknown' });
    await Promise.all([replica.close(), store.close(), point.end()]);
  };
  const ourTurn = async (): Promise<number> => {
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', target, String(sizeBytes)]);
    await run('truncate', ['-s', String(manifestFileBytes(sizeBytes)), manifest]);
    const servers = [await qemuNbd(dir, target, '-f', 'qcow2'), await qemuNbd(dir, manifest, '-f', 'raw')] as const;
    await settle();
    const took = await seconds(() => ours(...servers));
    await Promise.all(servers.map((server) => server.end()));
    return took;
  };
  const theirTurn = async (): Promise<number> => {
    await settle();
    return await seconds(theirs);
  };
  const pairs: Pair[] = [];
  for (let round = 0; round < rounds; round++) {
    const took = new Map<typeof ourTurn, number>();
    for (const turn of round % 2 === 0 ? [ourTurn, theirTurn] : [theirTurn, ourTurn]) {
      await Promise.all([rm(target, { force: true }), rm(manifest, { force: true })]);
      took.set(turn, await turn());
    }
    const rate = (turn: typeof ourTurn): number => sizeBytes / GIB / (took.get(turn) ?? NaN);
    log(`ours ${rate(ourTurn).toFixed(2)} GiB/s, theirs ${rate(theirTurn).toFixed(2)} GiB/s`);
    pairs.push({ ours: rate(ourTurn), theirs: rate(theirTurn) });
  }
  return pairs;
}

/** A quarter of it holds data, half of which is random: about what the disk of a server packs to. */
async function halfPacked(path: string, sizeBytes: number): Promise<void> {
  const random = await open('/dev/urandom');
  const file = await open(path, 'w');
  await file.truncate(sizeBytes);
  const piece = Buffer.alloc(MIB, 'vmferry ');
  for (let at = 0; at < sizeBytes; at += 4 * MIB) {
    for (let within = 0; within < MIB; within += 64 * 1024) await random.read(piece, within, 32 * 1024);
    await file.write(piece, 0, MIB, at);
  }
  await Promise.all([random.close(), file.close()]);
}

function envelope(sizeBytes: number): string {
  const item = (type: number, more: string) =>
    `<Item><r:InstanceID>${type}</r:InstanceID>${more}<r:ResourceType>${type}</r:ResourceType></Item>`;
  return `<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:o="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:r="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References><File o:href="web01.vmdk" o:id="f"/></References>
  <DiskSection><Info/><Disk o:capacity="${sizeBytes}" o:diskId="d" o:fileRef="f"
    o:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
  <VirtualSystem o:id="web01"><Info/><VirtualHardwareSection><Info/>
    ${item(3, '<r:VirtualQuantity>1</r:VirtualQuantity>')}${item(4, '<r:VirtualQuantity>512</r:VirtualQuantity>')}
    ${item(20, '<r:ResourceSubType>AHCI</r:ResourceSubType>')}
    ${item(17, '<r:AddressOnParent>0</r:AddressOnParent><r:HostResource>ovf:/disk/d</r:HostResource><r:Parent>20</r:Parent>')}
  </VirtualHardwareSection></VirtualSystem></Envelope>`;
}
