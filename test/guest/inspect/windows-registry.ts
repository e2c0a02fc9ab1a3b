import { rm, writeFile } from 'node:fs/promises';
import { LocalHost } from '../../../src/exec/local.js';

const BASE_BYTES = 4096;
const machine = new LocalHost();

/**
 * A registry hive with these values, by the key that they stand in; each as a .reg file has it. hivexregedit adds to a hive
 * that is there, so an empty one is made first (hivex reads of the format what is written here).
 */
export async function writeHive(path: string, keys: Record<string, Record<string, string>>): Promise<void> {
  await writeFile(path, emptyHive());
  const top = 'HKEY_LOCAL_MACHINE\\TOP';
  const lines = ['Windows Registry Editor Version 5.00', ''];
  for (const [key, values] of Object.entries(keys)) {
    const parts = key.split('\\');
    for (const index of parts.keys()) lines.push(`[${top}\\${parts.slice(0, index + 1).join('\\')}]`, '');
    lines.splice(-1, 0, ...Object.entries(values).map(([name, value]) => `"${name}"=${value}`));
  }
  await writeFile(`${path}.reg`, `${lines.join('\n')}\n`);
  const options = ['--merge', '--prefix', top, '--encoding', 'UTF-16LE'];
  await machine.run('hivexregedit', [...options, '--', path, `${path}.reg`]);
  await rm(`${path}.reg`);
}

function emptyHive(): Buffer {
  const hive = Buffer.alloc(2 * BASE_BYTES);
  const [rootOffset, securityOffset] = [0x20, 0x80];
  hive.write('regf', 0);
  hive.writeUInt32LE(1, 4);
  hive.writeUInt32LE(1, 8);
  hive.writeUInt32LE(1, 0x14);
  hive.writeUInt32LE(3, 0x18);
  hive.writeUInt32LE(1, 0x20);
  hive.writeUInt32LE(rootOffset, 0x24);
  hive.writeUInt32LE(BASE_BYTES, 0x28);
  hive.writeUInt32LE(1, 0x2c);
  let sum = 0;
  for (let at = 0; at < 0x1fc; at += 4) sum = (sum ^ hive.readUInt32LE(at)) >>> 0;
  hive.writeUInt32LE(sum, 0x1fc);
  // One page: the root key, the security that new keys take from it, and room.
  const page = hive.subarray(BASE_BYTES);
  page.write('hbin', 0);
  page.writeUInt32LE(BASE_BYTES, 8);
  page.writeInt32LE(rootOffset - securityOffset, rootOffset);
  const key = page.subarray(rootOffset + 4);
  key.write('nk', 0);
  key.writeUInt16LE(0x2c, 2);
  for (const at of [0x1c, 0x20, 0x28, 0x30]) key.writeUInt32LE(0xffffffff, at);
  key.writeUInt32LE(securityOffset, 0x2c);
  key.writeUInt16LE(4, 0x48);
  key.write('ROOT', 0x4c);
  const roomOffset = securityOffset + 0x30;
  page.writeInt32LE(securityOffset - roomOffset, securityOffset);
  const security = page.subarray(securityOffset + 4);
  security.write('sk', 0);
  security.writeUInt32LE(securityOffset, 4);
  security.writeUInt32LE(securityOffset, 8);
  security.writeUInt32LE(1, 12);
  // A security descriptor that says nothing (MS-DTYP 2.4.6).
  security.writeUInt32LE(20, 16);
  security.writeUInt32LE(0x80000001, 20);
  page.writeInt32LE(BASE_BYTES - roomOffset, roomOffset);
  return hive;
}
