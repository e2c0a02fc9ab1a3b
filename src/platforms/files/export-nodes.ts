import { symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ImageLayer } from './image-chain.js';
import { SECTOR_BYTES } from './image-header.js';
import type { Member } from './member.js';
import { fromBuffer, joined, slice, type RandomAccess } from './random-access.js';

/**
 * An image with all that it stands on as a tree of block devices (QEMU, QAPI BlockdevOptions). QEMU is given every file by
 * path, format and offset, and opens nothing else: what an image names by itself was checked before, and is replaced
 * here by what was looked at.
 */
export type Node = { driver: string } & Record<string, unknown>;

/** What is done with that which is no local file. */
export interface Elsewhere {
  /** Serves it by NBD. */
  serve(bytes: RandomAccess): Promise<{ socketPath: string; exportName: string }>;
  /** Copies it to a local file; its path. */
  copy(member: Member): Promise<string>;
}

export class ExportNodes {
  private descriptors = 0;

  constructor(
    private readonly folder: string,
    private readonly elsewhere: Elsewhere,
  ) {}

  /** @param looked is told of each layer with nothing beneath it, from the top. */
  async image(
    [top, ...under]: readonly ImageLayer[],
    looked: (layer: ImageLayer, node: Node) => Promise<void> = () => Promise.resolve(),
  ): Promise<Node> {
    const { format, member, extents, header } = top!;
    const flat = extents.length > 0 ? flatContent(top!) : null;
    // It has no tables to look through, and nothing of it is left to a parent.
    if (flat) return { driver: 'raw', 'read-only': true, file: await this.served(flat) };
    const file = extents.length === 0 ? await this.protocol(member) : fileNode(await this.descriptor(top!));
    const node: Node = { driver: format, 'read-only': true, file };
    if (header.sizeFrom !== null) node['force_size_calc'] = header.sizeFrom === 'footer' ? 'current_size' : 'chs';
    // Without it, QEMU would open what the image names.
    const stands = ['qcow2', 'qcow', 'vmdk'].includes(format);
    if (stands) node['backing'] = null;
    await looked(top!, node);
    return stands && under.length > 0 ? { ...node, backing: await this.image(under, looked) } : node;
  }

  private async protocol(member: Member): Promise<Node> {
    const { location } = member;
    // QEMU takes no stretch of a file that ends within a sector.
    if (location === null || (location.sizeBytes ?? 0) % SECTOR_BYTES !== 0) return await this.served(member);
    const file = fileNode(location.path);
    if (location.sizeBytes === null) return file;
    return { driver: 'raw', 'read-only': true, offset: location.offsetBytes, size: location.sizeBytes, file };
  }

  /** In whole sectors: of a last one that is none, QEMU waits for bytes that never come (block/nbd.c, simple replies). */
  private async served(bytes: RandomAccess): Promise<Node> {
    const { name, sizeBytes } = bytes;
    const spare = Buffer.alloc((SECTOR_BYTES - (sizeBytes % SECTOR_BYTES)) % SECTOR_BYTES);
    const whole = joined(name, [bytes, fromBuffer(spare, name)]);
    const { socketPath: path, exportName } = await this.elsewhere.serve(whole);
    return { driver: 'nbd', 'read-only': true, server: { type: 'unix', path }, export: exportName };
  }

  /**
   * The text of a VMDK in several files, written anew: only what was understood, and its parts by links of our own to where
   * they were found, as a path can hold what a VMDK's text cannot: quotes, line ends, more than 512 bytes (block/vmdk.c). From
   * the text itself, QEMU would open whatever the names in it have become by then.
   */
  private async descriptor({ extents, header }: ImageLayer): Promise<string> {
    this.descriptors += 1;
    const { cid, parentCid, createType, parts } = header.vmdk!;
    const written = ['# Disk DescriptorFile', 'version=1', `CID=${cid}`, `parentCID=${parentCid ?? 'ffffffff'}`];
    written.push(`createType="${createType}"`);
    for (const [nth, { sectors, type, offsetSectors }] of parts.entries()) {
      const name = `part-${this.descriptors}-${nth}`;
      await symlink(resolve(await this.pathOf(extents[nth]!)), join(this.folder, name));
      written.push(`RW ${sectors} ${type} "${name}"${type.endsWith('SPARSE') ? '' : ` ${offsetSectors}`}`);
    }
    const path = join(this.folder, `descriptor-${this.descriptors}.vmdk`);
    await writeFile(path, `${written.join('\n')}\n`);
    return path;
  }

  /** Of a file, as QEMU takes an address there for a name in the descriptor's folder (path_combine). */
  private async pathOf(member: Member): Promise<string> {
    const { location } = member;
    return location?.sizeBytes === null ? location.path : await this.elsewhere.copy(member);
  }
}

/** The disk that a layer's parts make by themselves, where they are flat and not all of them local files. */
function flatContent({ header, member, extents }: ImageLayer): RandomAccess | null {
  const parts = header.vmdk!.parts;
  const local = extents.every(({ location }) => location?.sizeBytes === null);
  if (local || parts.some(({ type }) => type.endsWith('SPARSE'))) return null;
  const slices = parts.map(({ sectors, offsetSectors }, nth) => {
    const extent = extents[nth]!;
    return slice(extent, offsetSectors * SECTOR_BYTES, sectors * SECTOR_BYTES, extent.name);
  });
  return joined(member.name, slices);
}

/** Arguments that serve a node read-only, to any number of clients in turn and eight at once. */
export function qemuNbd(socket: string, node: Node): string[] {
  return ['--read-only', '--persistent', '--shared=8', `--socket=${socket}`, qemuImgNode(node)];
}

/** As a file's name to QEMU's tools. */
export function qemuImgNode(node: Node): string {
  return `json:${JSON.stringify(node)}`;
}

function fileNode(filename: string): Node {
  return { driver: 'file', filename, 'read-only': true, locking: 'off' };
}
