import type { RandomAccess } from '../../../src/platforms/files/random-access.js';

/** Tar archives by hand, for what GNU tar does not write. */

export interface HeaderParts {
  name?: string;
  /** As it stands in the field, 12 bytes at most. */
  size?: string | Buffer;
  type?: string;
  magic?: string;
  prefix?: string;
  /** Name of the user who made it. */
  owner?: string;
  /** Whether bytes count as signed in the checksum. */
  signed?: boolean;
}

/** One header, with a checksum that fits (POSIX.1-2017, pax, "ustar Interchange Format"). */
export function header({ name = 'x', size = '0', type = '0', magic = 'ustar\x0000', ...more }: HeaderParts): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write('0000644\0', 100);
  if (typeof size === 'string') block.write(size.padStart(11, '0') + '\0', 124, 12, 'latin1');
  else size.copy(block, 124);
  block.write('00000000000\0', 136);
  block.write(type, 156, 1, 'latin1');
  block.write(magic, 257, 8, 'latin1');
  block.write(more.owner ?? '', 265, 32, 'latin1');
  block.write(more.prefix ?? '', 345, 155);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + (more.signed && byte > 127 ? byte - 256 : byte), 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** A header with its data, filled up to a whole block. */
export function member(parts: HeaderParts, data: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(data);
  const filled = Buffer.alloc(Math.ceil(bytes.length / 512) * 512);
  bytes.copy(filled);
  return Buffer.concat([header({ size: bytes.length.toString(8), ...parts }), filled]);
}

/** What a pax header holds. */
export function pax(records: Record<string, string>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = Buffer.byteLength(` ${key}=${value}\n`);
      const length = [1, 2, 3, 4, 5, 6, 7].map((digits) => digits + rest).find((all, at) => `${all}`.length === at + 1);
      return `${length} ${key}=${value}\n`;
    })
    .join('');
}

export const END = Buffer.alloc(1024);

/** Something large that is zero wherever no block was put. Counts what is read of it. */
export function sparseArchive(sizeBytes: number, blocks: ReadonlyMap<number, Buffer>) {
  const archive: RandomAccess & { reads: number; readBytes: number } = {
    name: 'large.ova',
    sizeBytes,
    reads: 0,
    readBytes: 0,
    read: (at, length) => {
      archive.reads++;
      archive.readBytes += length;
      const bytes = Buffer.alloc(length);
      for (const [start, block] of blocks) {
        if (start >= at && start < at + length) block.copy(bytes, start - at);
      }
      return Promise.resolve(bytes);
    },
  };
  return archive;
}
