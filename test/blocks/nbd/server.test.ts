import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { execa } from 'execa';
import { NbdServer, openNbd, type ServedBytes } from '../../../src/blocks/index.js';

const MIB = 2 ** 20;

async function listening(t: TestContext): Promise<{ server: NbdServer; socketPath: string; dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'vmferry-server-'));
  const socketPath = join(dir, 'socket');
  const server = await NbdServer.listen(socketPath);
  t.after(async () => {
    await server.close();
    await rm(dir, { recursive: true, force: true });
  });
  return { server, socketPath, dir };
}

const inMemory = (content: Buffer): ServedBytes => ({
  sizeBytes: content.length,
  read: (at, length) => Promise.resolve(content.subarray(at, at + length)),
});

test('several exports are served at once, to our client and to QEMU', async (t) => {
  const { server, socketPath, dir } = await listening(t);
  const contents = [randomBytes(5 * MIB), randomBytes(3 * MIB + 512)];
  for (const content of contents) {
    const exportName = server.add(inMemory(content));
    const device = await openNbd({ socketPath, exportName, readOnly: true });
    assert.equal(device.sizeBytes, content.length);
    const found = Buffer.alloc(content.length);
    const reads = [...Array(Math.ceil(content.length / 65_536)).keys()].map((nth) =>
      device.read(nth * 65_536, found.subarray(nth * 65_536, (nth + 1) * 65_536)),
    );
    await Promise.all(reads);
    assert.ok(found.equals(content));
    await device.close();
    const [raw, from] = [join(dir, exportName), `nbd+unix:///${exportName}?socket=${socketPath}`];
    await execa('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', from, raw]);
    await execa('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', from, raw]);
  }
  await assert.rejects(openNbd({ socketPath, exportName: '3', readOnly: true }), { code: 'NotFound' });
  assert.equal(server.failure, null);
});

test('a read that fails is an error to the client, and its reason is kept', async (t) => {
  const { server, socketPath } = await listening(t);
  const broken = new Error('the cable is cut');
  const read = (at: number, length: number) =>
    at === 0 ? Promise.resolve(Buffer.alloc(length, 1)) : Promise.reject(broken);
  const device = await openNbd({ socketPath, exportName: server.add({ sizeBytes: MIB, read }), readOnly: true });
  await assert.rejects(device.read(4096, Buffer.alloc(512)), { code: 'ToolFailed' });
  assert.equal(server.failure, broken);
  // The connection is as good as before.
  const first = Buffer.alloc(512);
  await device.read(0, first);
  assert.ok(first.every((byte) => byte === 1));
  await device.close();
});

test('no more than a few requests of one client are worked on, and all end with the server', async (t) => {
  const { server, socketPath } = await listening(t);
  let [running, most] = [0, 0];
  const ended: Promise<void>[] = [];
  const read: ServedBytes['read'] = (_at, _length, signal) => {
    most = Math.max(most, ++running);
    const end = new Promise<void>((resolve) => signal!.addEventListener('abort', () => resolve(), { once: true }));
    ended.push(end);
    return end.then(() => Promise.reject(new Error('gone')));
  };
  const exportName = server.add({ sizeBytes: 64 * MIB, read });
  const device = await openNbd({ socketPath, exportName, readOnly: true });
  const asked = [...Array(100).keys()].map((nth) => device.read(nth * 4096, Buffer.alloc(4096)).catch(() => 'failed'));
  while (running < 16) await new Promise((resolve) => setTimeout(resolve, 10));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(most, 16);
  await server.close();
  await Promise.all([...ended, ...asked]);
  assert.equal(server.failure, null);
  await device.close();
});

test('what is no NBD, wants to write or asks for what is not there ends or is refused', async (t) => {
  const { server, socketPath } = await listening(t);
  server.add(inMemory(Buffer.alloc(4096)));
  const talk = (...messages: Buffer[]) =>
    new Promise<Buffer>((resolve) => {
      const [socket, received] = [createConnection(socketPath), [] as Buffer[]];
      socket.on('data', (bytes) => received.push(bytes));
      socket.on('close', () => resolve(Buffer.concat(received)));
      socket.on('error', () => undefined);
      for (const message of messages) socket.write(message);
    });
  const flags = Buffer.from([0, 0, 0, 3]);
  const option = (number: number, length: number, data = Buffer.alloc(0)) => {
    const header = Buffer.from('IHAVEOPT\0\0\0\0\0\0\0\0', 'latin1');
    header.writeUInt32BE(number, 8);
    header.writeUInt32BE(length, 12);
    return Buffer.concat([header, data]);
  };
  const go = option(7, 7, Buffer.from([0, 0, 0, 1, 0x31, 0, 0]));
  const request = (type: number, offset: bigint, length: number) => {
    const header = Buffer.alloc(28);
    header.writeUInt32BE(0x25609513, 0);
    header.writeUInt16BE(type, 6);
    header.writeBigUInt64BE(offset, 16);
    header.writeUInt32BE(length, 24);
    return header;
  };
  assert.equal((await talk(flags, Buffer.from('GET / HTTP/1.1\r\n\r\n'))).length, 18);
  assert.equal((await talk(flags, option(7, 2 ** 31))).length, 18);
  const greeted = 18 + 32 + 34 + 20;
  // Writing ends the connection; reading beyond the end, or too much at once, is refused.
  assert.equal((await talk(flags, go, request(1, 0n, 512))).length, greeted);
  for (const wrong of [request(0, 4096n, 1), request(0, 2n ** 64n - 1n, 512), request(0, 0n, 2 ** 31)]) {
    const answer = await talk(flags, go, wrong, request(2, 0n, 0));
    assert.equal(answer.readUInt32BE(greeted + 4), 22);
  }
});
