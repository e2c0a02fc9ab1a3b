import { setTimeout as sleep } from 'node:timers/promises';
import { VmferryError } from '../../errors.js';
import { ask, bodyOf, isPage, ledElsewhere, pageInstead, refused, shownUrl } from './http-request.js';
import type { HttpLogin, Member } from './member.js';
import { endsBefore } from './random-access.js';

/** A read that fails for the network's sake is tried again, after each of these. */
const AGAIN_AFTER_MS = [500, 2_000, 8_000];

/** A file behind HTTP; null where the server says that there is none. @throws VmferryError `Unreachable`, `Denied`, `NotSupported`. */
export async function openHttpFile(url: URL, login: HttpLogin | null, signal?: AbortSignal): Promise<Member | null> {
  const name = shownUrl(url);
  const first = await ask(url, login, { Range: 'bytes=0-0' }, signal);
  await first.body?.cancel();
  if (first.status === 404 || first.status === 410) return null;
  // An empty file has no byte 0 (RFC 9110, section 15.5.17).
  const total = /^bytes (?:0-0|\*)\/(\d{1,15})$/.exec(first.headers.get('content-range') ?? '')?.[1];
  if (first.redirected && isPage(first)) throw ledElsewhere(name, new URL(first.url));
  if ((first.status !== 206 && first.status !== 416) || total === undefined) {
    if (!first.ok) throw refused(name, first.status);
    if (isPage(first)) throw pageInstead(name);
    throw new VmferryError('NotSupported', `cannot read ${name}: the server does not send parts of a file`, {
      platform: 'files',
      remedy: 'Use a server that answers Range requests, or download the files.',
    });
  }
  const sizeBytes = Number(total);
  const tag = first.headers.get('etag');
  const validator = tag && !tag.startsWith('W/') ? tag : first.headers.get('last-modified');
  return {
    name,
    sizeBytes,
    location: null,
    stamp: `${url.href} ${sizeBytes} ${validator ?? ''}`,
    async read(offsetBytes, lengthBytes, wish) {
      const end = offsetBytes + lengthBytes;
      if (offsetBytes < 0 || lengthBytes < 0 || end > sizeBytes)
        throw endsBefore(name, offsetBytes, lengthBytes, sizeBytes);
      if (lengthBytes === 0) return Buffer.alloc(0);
      return await patiently(() => readRange(url, login, name, validator, offsetBytes, lengthBytes, wish), wish);
    },
    close: () => Promise.resolve(),
  };
}

async function readRange(
  url: URL,
  login: HttpLogin | null,
  name: string,
  validator: string | null,
  offsetBytes: number,
  lengthBytes: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const range = { Range: `bytes=${offsetBytes}-${offsetBytes + lengthBytes - 1}` };
  const answer = await ask(url, login, { ...range, ...(validator ? { 'If-Range': validator } : {}) }, signal);
  const other = answer.redirected && isPage(answer);
  if (answer.status === 206 && !other) {
    const bytes = await bodyOf(answer, name, lengthBytes);
    if (bytes.length === lengthBytes) return bytes;
    throw new VmferryError('Unreachable', `cannot read ${name}: the answer was cut off`, { platform: 'files' });
  }
  await answer.body?.cancel();
  if (other) throw ledElsewhere(name, new URL(answer.url));
  if (!answer.ok) throw refused(name, answer.status);
  throw new VmferryError('Drift', `cannot go on reading ${name}: it changed meanwhile`, {
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
