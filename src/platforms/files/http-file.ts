import { setTimeout as sleep } from 'node:timers/promises';
import { VmferryError } from '../../errors.js';
import { ask, bodyOf, isPage, ledElsewhere, ledTo, pageInstead, refused, shownUrl } from './http-request.js';
import type { HttpAccess, Member } from './member.js';
import { endsBefore } from './random-access.js';

/** A read that fails for the network's sake is tried again, after each of these. */
const AGAIN_AFTER_MS = [500, 2_000, 8_000];

/** A file behind HTTP; null where the server says that there is none. @throws VmferryError `Unreachable`, `Denied`, `NotSupported`. */
export async function openHttpFile(url: URL, access: HttpAccess, signal?: AbortSignal): Promise<Member | null> {
  const name = shownUrl(url);
  const first = await ask(url, access, { Range: 'bytes=0-0' }, signal);
  await first.body?.cancel();
  if (first.status === 404 || first.status === 410) return null;
  const part = partOf(first);
  const led = ledTo(url, first);
  if (led && isPage(first)) throw ledElsewhere(name, led);
  // An empty file has no byte 0 (RFC 9110, section 15.5.17).
  const empty = first.status === 416 && part?.totalBytes === 0;
  const known = empty || (first.status === 206 && part?.firstByte === 0 && part.lastByte === 0);
  if (!known || part.totalBytes === null) {
    if (!first.ok) throw refused(name, first.status);
    if (isPage(first)) throw pageInstead(name);
    throw new VmferryError('NotSupported', `cannot read ${name}: the server does not send parts of a file`, {
      platform: 'files',
      remedy: 'Use a server that answers Range requests, or download the files.',
    });
  }
  const file: RemoteFile = { url, access, name, sizeBytes: part.totalBytes, ...validatorsOf(first) };
  return {
    name,
    sizeBytes: file.sizeBytes,
    location: null,
    stamp: `${url.href} ${file.sizeBytes} ${file.tag ?? file.modified ?? ''}`,
    async read(offsetBytes, lengthBytes, wish) {
      const end = offsetBytes + lengthBytes;
      if (offsetBytes < 0 || lengthBytes < 0 || end > file.sizeBytes)
        throw endsBefore(name, offsetBytes, lengthBytes, file.sizeBytes);
      if (lengthBytes === 0) return Buffer.alloc(0);
      return await patiently(() => readRange(file, offsetBytes, lengthBytes, wish), wish);
    },
    close: () => Promise.resolve(),
  };
}

/** A file as the first answer told of it. */
interface RemoteFile extends Validators {
  url: URL;
  access: HttpAccess;
  name: string;
  sizeBytes: number;
}

/** What differs when a file is exchanged (RFC 9110, section 8.8); a weak tag says too little. */
interface Validators {
  tag: string | null;
  modified: string | null;
}

function validatorsOf({ headers }: Response): Validators {
  const tag = headers.get('etag');
  return { tag: tag && !tag.startsWith('W/') ? tag : null, modified: headers.get('last-modified') };
}

/** RFC 9110, section 14.4: `bytes 0-0/512`; without a part where none fits, and `*` where the server does not know the whole. */
function partOf({ headers }: Response) {
  const [, first, last, total] =
    /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15}|\*)$/i.exec(headers.get('content-range')?.trim() ?? '') ?? [];
  if (total === undefined) return null;
  const number = (digits: string | undefined) => (digits === undefined || digits === '*' ? null : Number(digits));
  return { firstByte: number(first), lastByte: number(last), totalBytes: number(total) };
}

async function readRange(
  file: RemoteFile,
  offsetBytes: number,
  lengthBytes: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const { url, access, name } = file;
  const lastByte = offsetBytes + lengthBytes - 1;
  const validator = file.tag ?? file.modified;
  const headers = { Range: `bytes=${offsetBytes}-${lastByte}`, ...(validator ? { 'If-Range': validator } : {}) };
  const answer = await ask(url, access, headers, signal);
  const led = ledTo(url, answer);
  if (answer.status !== 206 || (led && isPage(answer))) {
    await answer.body?.cancel();
    if (led && isPage(answer)) throw ledElsewhere(name, led);
    // A whole file in place of a part, or an end before the part: it is another one than at first.
    if (answer.ok || answer.status === 416) throw exchanged(name);
    throw refused(name, answer.status);
  }
  try {
    assertPart(file, answer, offsetBytes, lastByte);
  } catch (error) {
    await answer.body?.cancel();
    throw error;
  }
  const bytes = await bodyOf(answer, name, lengthBytes);
  if (bytes === null) throw broken(name, 'sends more than was asked for');
  if (bytes.length === lengthBytes) return bytes;
  throw new VmferryError('Unreachable', `cannot read ${name}: the answer was cut off`, { platform: 'files' });
}

/** A server that sends another part than the one asked for, or of another file, would give the disk another content. */
function assertPart(file: RemoteFile, answer: Response, firstByte: number, lastByte: number): void {
  const part = partOf(answer);
  const { tag, modified } = validatorsOf(answer);
  const differs = (was: string | null, is: string | null) => was !== null && is !== null && was !== is;
  const grown = part !== null && part.totalBytes !== null && part.totalBytes !== file.sizeBytes;
  if (grown || differs(file.tag, tag) || (file.tag === null && differs(file.modified, modified)))
    throw exchanged(file.name);
  if (part?.firstByte === firstByte && part.lastByte === lastByte) return;
  const sent =
    part === null ? 'does not say which bytes it sends' : `sends bytes ${part.firstByte} to ${part.lastByte}`;
  throw broken(file.name, `${sent} where bytes ${firstByte} to ${lastByte} were asked for`);
}

function broken(name: string, what: string): VmferryError {
  return new VmferryError('HostileInput', `cannot read ${name}: the server ${what}`, {
    platform: 'files',
    remedy: 'The server, or a proxy before it, is broken: use another one, or download the files.',
  });
}

function exchanged(name: string): VmferryError {
  return new VmferryError('Drift', `cannot go on reading ${name}: it changed meanwhile`, {
    platform: 'files',
    remedy: 'Start a new migration when nobody writes it any more.',
  });
}

/** A file is read for hours: a connection that breaks, or a server that is busy, does not end that. */
async function patiently<T>(read: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await read();
    } catch (error) {
      const waitMs = AGAIN_AFTER_MS[tries];
      if (waitMs === undefined || !(error instanceof VmferryError) || error.code !== 'Unreachable') throw error;
      await sleep(waitMs, undefined, signal ? { signal } : {});
    }
  }
}
