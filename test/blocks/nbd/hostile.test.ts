import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { openNbd, type NbdDevice } from '../../../src/blocks/index.js';
import { failsAs, folder, MIB } from '../support.js';

const OPTION_REPLY = 0x0003e889045565a9n;

interface Request {
  command: number;
  cookie: bigint;
  offset: bigint;
  length: number;
}

interface Lies {
  greeting?: Buffer;
  /** Answers an option; undefined for the honest answer. */
  option?: (option: number) => Buffer | undefined;
  /** Answers a request. */
  answer?: (request: Request) => Buffer;
}

function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0), length = data.length): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(OPTION_REPLY, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(length, 16);
  return Buffer.concat([head, data]);
}

function exportInfo(size: bigint): Buffer {
  const data = Buffer.alloc(12);
  data.writeBigUInt64BE(size, 2);
  data.writeUInt16BE(1, 10);
  return data;
}

function honest(option: number): Buffer {
  if (option === 7) return Buffer.concat([optionReply(7, 3, exportInfo(BigInt(64 * MIB))), optionReply(7, 1)]);
  const context = Buffer.concat([Buffer.from([0, 0, 0, 5]), Buffer.from('base:allocation')]);
  return option === 10 ? Buffer.concat([optionReply(10, 4, context), optionReply(10, 1)]) : optionReply(option, 1);
}

function chunk(
  request: Request,
  type: number,
  payload: Buffer,
  { length = payload.length, done = true, cookie = request.cookie } = {},
): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32BE(0x668e33ef, 0);
  head.writeUInt16BE(done ? 1 : 0, 4);
  head.writeUInt16BE(type, 6);
  head.writeBigUInt64BE(cookie, 8);
  head.writeUInt32BE(length, 16);
  return Buffer.concat([head, payload]);
}

function data(offset: bigint, bytes: number): Buffer {
  const payload = Buffer.alloc(8 + bytes, 0xaa);
  payload.writeBigUInt64BE(offset);
  return payload;
}

/** Speaks for a server that lies where it is told to. It does what is needed of the protocol here, and no more. */
function converse(socket: Socket, lies: Lies): void {
  let bytes: Buffer = Buffer.alloc(0);
  let stage: 'flags' | 'options' | 'requests' = 'flags';
  const honestGreeting = Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT'), Buffer.from([0, 3])]);
  socket.write(lies.greeting ?? honestGreeting);
  socket.on('error', () => {});
  socket.on('data', (more) => {
    bytes = Buffer.concat([bytes, more]);
    for (;;) {
      if (stage === 'flags' && bytes.length >= 4) {
        bytes = bytes.subarray(4);
        stage = 'options';
      } else if (stage === 'options' && bytes.length >= 16 && bytes.length >= 16 + bytes.readUInt32BE(12)) {
        const option = bytes.readUInt32BE(8);
        bytes = bytes.subarray(16 + bytes.readUInt32BE(12));
        if (option === 7) stage = 'requests';
        socket.write(lies.option?.(option) ?? honest(option));
      } else if (stage === 'requests' && bytes.length >= 28) {
        const [command, cookie] = [bytes.readUInt16BE(6), bytes.readBigUInt64BE(8)];
        const request = { command, cookie, offset: bytes.readBigUInt64BE(16), length: bytes.readUInt32BE(24) };
        bytes = bytes.subarray(28);
        if (command !== 2 && lies.answer) socket.write(lies.answer(request));
      } else return;
    }
  });
}

async function lying(t: TestContext, lies: Lies): Promise<NbdDevice> {
  const socketPath = join(await folder(t), 'liar.sock');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    converse(socket, lies);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const disk = await openNbd({ socketPath, timeoutMs: 2_000 });
  t.after(() => disk.close());
  return disk;
}

const HANDSHAKES: [string, Lies, RegExp][] = [
  [
    'a greeting of another protocol',
    { greeting: Buffer.from('SSH-2.0-OpenSSH_9.2 liar\r\n') },
    /not that of an NBD server/,
  ],
  ['an option reply with a wrong magic number', { option: () => Buffer.alloc(20, 7) }, /wrong magic number/],
  ['a reply to another option', { option: () => optionReply(3, 1) }, /an option that was not sent/],
  [
    'an option reply of 2 GiB',
    { option: (option) => optionReply(option, 1, Buffer.alloc(0), 2 ** 31) },
    /2147483648 bytes/,
  ],
  [
    'endless replies to one option',
    {
      option: (option) =>
        option === 10
          ? Buffer.concat(Array.from({ length: 100 }, () => optionReply(10, 4, Buffer.alloc(8))))
          : undefined,
    },
    /more than 64 replies/,
  ],
  [
    'a size beyond all disks',
    { option: (option) => (option === 7 ? optionReply(7, 3, exportInfo(2n ** 63n)) : undefined) },
    /./,
  ],
  ['no size at all', { option: (option) => (option === 7 ? optionReply(7, 1) : undefined) }, /how large/],
];

for (const [name, lies, message] of HANDSHAKES) {
  test(`${name} is refused`, async (t) => {
    const sized = name.startsWith('a size');
    const answers = {
      ...lies,
      option: (option: number) => {
        const lie = lies.option?.(option);
        return lie && sized ? Buffer.concat([lie, optionReply(7, 1)]) : lie;
      },
    };
    await failsAs(lying(t, answers), 'HostileInput', message);
  });
}

const extents = (...numbers: number[]): Buffer => {
  const payload = Buffer.alloc(numbers.length * 4);
  numbers.forEach((number, i) => payload.writeUInt32BE(number, i * 4));
  return payload;
};

const READS: [string, NonNullable<Lies['answer']>, RegExp][] = [
  ['a reply with a wrong magic number', () => Buffer.alloc(20, 9), /magic number 0x9090909/],
  [
    'a reply to a request that was not sent',
    (request) => chunk(request, 1, data(0n, 4096), { cookie: 4711n }),
    /was not sent/,
  ],
  ['more data than was asked for', (request) => chunk(request, 1, data(0n, 8192)), /not asked for/],
  ['a chunk of 4 GiB', (request) => chunk(request, 1, data(0n, 16), { length: 2 ** 32 - 1 }), /not asked for/],
  ['data of another place', (request) => chunk(request, 1, data(1n << 40n, 4096)), /not asked for/],
  ['data before the place', (request) => chunk(request, 1, data(2n ** 64n - 1n, 4096)), /not asked for/],
  [
    'the same data twice',
    (request) => Buffer.concat([chunk(request, 1, data(0n, 4096), { done: false }), chunk(request, 1, data(0n, 4096))]),
    /twice/,
  ],
  ['half of the data', (request) => chunk(request, 1, data(0n, 2048)), /in part only/],
  ['no data at all', (request) => chunk(request, 0, Buffer.alloc(0)), /in part only/],
  ['a hole of no length', (request) => chunk(request, 2, Buffer.alloc(12)), /not asked for/],
  ['a chunk of an unknown type', (request) => chunk(request, 77, Buffer.alloc(4)), /unknown type 77/],
  ['extents instead of data', (request) => chunk(request, 5, extents(5, 4096, 0)), /not asked for/],
  [
    'an error of 1 GiB',
    (request) => chunk(request, 0x8001, Buffer.alloc(6), { length: 2 ** 30 }),
    /error chunk of 1073741824/,
  ],
];

for (const [name, answer, message] of READS) {
  test(`${name} in answer to a read ends the connection`, async (t) => {
    const disk = await lying(t, { answer });
    await failsAs(disk.read(0, Buffer.alloc(4096)), 'HostileInput', message);
    await failsAs(disk.read(0, Buffer.alloc(4096)), 'HostileInput');
  });
}

const STATUSES: [string, NonNullable<Lies['answer']>, RegExp][] = [
  ['an extent without a length', (request) => chunk(request, 5, extents(5, 0, 0)), /without a length/],
  ['extents of a context that was not granted', (request) => chunk(request, 5, extents(6, 4096, 0)), /not granted/],
  [
    'the same context twice',
    (request) =>
      Buffer.concat([chunk(request, 5, extents(5, 4096, 0), { done: false }), chunk(request, 5, extents(5, 4096, 0))]),
    /twice/,
  ],
  ['no context', (request) => chunk(request, 0, Buffer.alloc(0)), /left out/],
  ['extents of 2 GiB', (request) => chunk(request, 5, extents(5), { length: 2 ** 31 - 4 }), /2147483644 bytes/],
];

for (const [name, answer, message] of STATUSES) {
  test(`${name} in answer to a block status is refused`, async (t) => {
    const disk = await lying(t, { answer });
    const all = async (): Promise<void> => {
      for await (const extent of disk.extents(0, 64 * MIB)) assert.ok(extent.lengthBytes > 0);
    };
    await failsAs(all(), 'HostileInput', message);
  });
}

test('extents that reach beyond what was asked for are cut to it', async (t) => {
  const disk = await lying(t, { answer: (request) => chunk(request, 5, extents(5, 2 ** 32 - 1, 3)) });
  const told = [];
  for await (const extent of disk.extents(MIB, 2 * MIB)) told.push(extent);
  assert.deepEqual(told, [{ offsetBytes: MIB, lengthBytes: 2 * MIB, kind: 'zero' }]);
});

test('data in scattered pieces is put together', async (t) => {
  const disk = await lying(t, {
    answer: (request) =>
      Buffer.concat([
        chunk(request, 1, data(2048n, 2048), { done: false }),
        chunk(request, 2, Buffer.concat([Buffer.alloc(8), extents(1024)]), { done: false }),
        chunk(request, 1, data(1024n, 1024)),
      ]),
  });
  const read = Buffer.alloc(4096, 1);
  await disk.read(0, read);
  assert.ok(read.equals(Buffer.concat([Buffer.alloc(1024), Buffer.alloc(3072, 0xaa)])));
});
