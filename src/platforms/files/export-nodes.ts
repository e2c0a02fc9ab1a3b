import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { ImageLayer } from './image-chain.js';
import type { HttpLogin, Location } from './member.js';

/**
 * An image with all that it stands on as a tree of block devices (QEMU, QAPI BlockdevOptions). QEMU is given every file by
 * path, format and offset, and opens nothing else: what an image names by itself was checked before, and is replaced
 * here by what was looked at.
 */
export type Node = { driver: string } & Record<string, unknown>;

/** Starts a server in the folder of the export; its socket answers when the promise settles. */
export type Serve = (what: string, file: string, args: (socket: string) => string[]) => Promise<string>;

/** QEMU's buffer for an extent's name is of 512 bytes (block/vmdk.c). */
const MOST_PATH_BYTES = 500;

export class ExportNodes {
  private descriptors = 0;

  constructor(
    private readonly folder: string,
    private readonly serve: Serve,
  ) {}

  /** @param looked is told of each layer with nothing beneath it, from the top. */
  async image(
    [top, ...under]: readonly ImageLayer[],
    looked: (layer: ImageLayer, node: Node) => Promise<void> = () => Promise.resolve(),
  ): Promise<Node> {
    const { format, member, extents, header } = top!;
    const file = extents.length === 0 ? await this.protocol(member.location) : fileNode(await this.descriptor(top!));
    const node: Node = { driver: format, 'read-only': true, file };
    if (header.sizeFrom !== null) node['force_size_calc'] = header.sizeFrom === 'footer' ? 'current_size' : 'chs';
    // Without it, QEMU would open what the image names.
    const stands = ['qcow2', 'qcow', 'vmdk'].includes(format);
    if (stands) node['backing'] = null;
    await looked(top!, node);
    return stands && under.length > 0 ? { ...node, backing: await this.image(under, looked) } : node;
  }

  private async protocol(location: Location): Promise<Node> {
    if (location.kind === 'file') return fileNode(location.path);
    if (location.kind === 'http') {
      const path = await this.http(location.url, location.login);
      return { driver: 'nbd', 'read-only': true, server: { type: 'unix', path } };
    }
    const { of, offsetBytes: offset, sizeBytes: size } = location;
    return { driver: 'raw', 'read-only': true, offset, size, file: await this.protocol(of) };
  }

  private http(url: string, login: HttpLogin | null): Promise<string> {
    const who = login ? [`user=${login.user}`, `password=+${login.passwordFile}`] : [];
    const options = ['--foreground', '--readonly', '--filter=retry'];
    return this.serve('nbdkit', 'nbdkit', (socket) => [...options, '--unix', socket, 'curl', `url=${url}`, ...who]);
  }

  /**
   * The text of a VMDK in several files, written anew: only what was understood, and its parts by where they were found.
   * From the text itself, QEMU would open whatever the names in it have become by then.
   */
  private async descriptor({ member, extents, header }: ImageLayer): Promise<string> {
    const { cid, parentCid, createType, parts } = header.vmdk!;
    const written = ['# Disk DescriptorFile', 'version=1', `CID=${cid}`, `parentCID=${parentCid ?? 'ffffffff'}`];
    written.push(`createType="${createType}"`);
    for (const [nth, { sectors, type, offsetSectors }] of parts.entries()) {
      const path = await this.pathOf(extents[nth]!.location);
      if (Buffer.byteLength(path) > MOST_PATH_BYTES || path.includes('"')) {
        throw refused(member.name, `the path ${path} is too long, or holds a quote`);
      }
      written.push(`RW ${sectors} ${type} "${path}"${type.endsWith('SPARSE') ? '' : ` ${offsetSectors}`}`);
    }
    const path = join(this.folder, `descriptor-${(this.descriptors += 1)}.vmdk`);
    await writeFile(path, `${written.join('\n')}\n`);
    return path;
  }

  /** As a name that a VMDK can hold: a path, or the address of a server of ours. */
  private async pathOf(location: Location): Promise<string> {
    if (location.kind === 'file') return location.path;
    const node = await this.protocol(location);
    const socket = await this.serve('a part of a VMDK', 'qemu-nbd', (path) => qemuNbd(path, node));
    return `nbd+unix:///?socket=${socket}`;
  }
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

function refused(name: string, why: string): VmferryError {
  return new VmferryError('NotSupported', `cannot read ${name}: ${why}`, {
    platform: 'files',
    remedy: 'Make one image of it: qemu-img convert -O qcow2.',
  });
}
