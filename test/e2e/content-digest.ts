import { blake3 } from '@napi-rs/blake-hash';
import { open, rm } from 'node:fs/promises';
import type { Host } from '../../src/exec/host.js';

const LEAF = 65_536;

/** The root digest of an image's content (docs/manifest.md), without the block engine: from what qemu-img makes of it. */
export async function contentDigest(host: Host, path: string, format: string): Promise<string> {
  const raw = `${path}.content`;
  await host.run('qemu-img', ['convert', '-U', '-f', format, '-O', 'raw', '--', path, raw], { timeoutMs: 300_000 });
  const file = await open(raw);
  try {
    const { size } = await file.stat();
    const header = Buffer.alloc(32);
    header.write('vmferry root v1\n', 'latin1');
    header.writeBigUInt64LE(BigInt(size), 16);
    header.writeBigUInt64LE(BigInt(LEAF), 24);
    const parts: Buffer[] = [header];
    const buffer = Buffer.alloc(LEAF);
    for (let at = 0; at < size; at += LEAF) {
      const length = Math.min(LEAF, size - at);
      await file.read(buffer, 0, length, at);
      parts.push(blake3(buffer.subarray(0, length)));
    }
    return blake3(Buffer.concat(parts)).toString('hex');
  } finally {
    await file.close();
    await rm(raw, { force: true });
  }
}
