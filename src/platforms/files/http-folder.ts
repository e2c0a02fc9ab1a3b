import { readFile } from 'node:fs/promises';
import { VmferryError } from '../../errors.js';
import { whyFile } from '../../file-trouble.js';
import type { Folder, HttpLogin, Member } from './member.js';
import { safeName } from './member-name.js';
import { endsBefore } from './random-access.js';

/** More than any index of a directory. */
const MOST_INDEX_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

/** What an answer without a body has. */
async function* nothing(): AsyncGenerator<Uint8Array> {}

/**
 * Files behind HTTP or HTTPS, read in ranges (RFC 9110, section 14). Every range is asked for with the validator of the
 * first answer, so that a file that is exchanged meanwhile is noticed.
 */
export function openHttpFolder(base: string, login: HttpLogin | null = null): Folder {
  const root = new URL(base);
  if (!root.pathname.endsWith('/')) root.pathname += '/';
  const shown = shownUrl(root);
  return {
    name: shown,
    list: (signal) => listed(root, login, signal),
    open: (name, signal) => {
      if (safeName(name))
        return openHttpFile(new URL(name.split('/').map(encodeURIComponent).join('/'), root), login, signal);
      throw new VmferryError('HostileInput', `cannot open ${JSON.stringify(name)} at ${shown}: it is no plain name`, {
        platform: 'files',
        remedy: 'Only files below the address itself are opened.',
      });
    },
    close: () => Promise.resolve(),
  };
}

/** A file behind HTTP; null where the server says that there is none. @throws VmferryError `Unreachable`, `Denied`, `NotSupported`. */
export async function openHttpFile(url: URL, login: HttpLogin | null, signal?: AbortSignal): Promise<Member | null> {
  const name = shownUrl(url);
  const first = await ask(url, login, { Range: 'bytes=0-0' }, signal);
  await first.body?.cancel();
  if (first.status === 404 || first.status === 410) return null;
  // An empty file has no byte 0 (RFC 9110, section 15.5.17).
  const total = /^bytes (?:0-0|\*)\/(\d{1,15})$/.exec(first.headers.get('content-range') ?? '')?.[1];
  if ((first.status !== 206 && first.status !== 416) || total === undefined) {
    if (!first.ok) throw refused(name, first.status);
    if (first.redirected) throw ledElsewhere(name, new URL(first.url));
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
    location: { kind: 'http', url: url.href, login },
    stamp: `${url.href} ${sizeBytes} ${validator ?? ''}`,
    async read(offsetBytes, lengthBytes, wish) {
      const end = offsetBytes + lengthBytes;
      if (offsetBytes < 0 || lengthBytes < 0 || end > sizeBytes)
        throw endsBefore(name, offsetBytes, lengthBytes, sizeBytes);
      if (lengthBytes === 0) return Buffer.alloc(0);
      const range = { Range: `bytes=${offsetBytes}-${end - 1}`, ...(validator ? { 'If-Range': validator } : {}) };
      const answer = await ask(url, login, range, wish);
      if (answer.status === 206) {
        const bytes = await bodyOf(answer, name, lengthBytes);
        if (bytes.length === lengthBytes) return bytes;
        throw new VmferryError('Unreachable', `cannot read ${name}: the answer was cut off`, { platform: 'files' });
      }
      await answer.body?.cancel();
      if (!answer.ok) throw refused(name, answer.status);
      throw new VmferryError('Drift', `cannot go on reading ${name}: it changed meanwhile`, {
        platform: 'files',
        remedy: 'Start a new migration when nobody writes it any more.',
      });
    },
    close: () => Promise.resolve(),
  };
}

/** Without what could be a secret. */
function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

async function ask(
  url: URL,
  login: HttpLogin | null,
  headers: Record<string, string>,
  signal?: AbortSignal,
): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { ...headers, ...(login ? { Authorization: await basic(login) } : {}), 'Accept-Encoding': 'identity' },
      signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])]),
    });
  } catch (cause) {
    if (cause instanceof VmferryError) throw cause;
    if (signal?.aborted) throw signal.reason;
    const why = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : '';
    throw new VmferryError('Unreachable', `cannot reach ${shownUrl(url)}: ${why}`, { platform: 'files', cause });
  }
}

async function basic({ user, passwordFile }: HttpLogin): Promise<string> {
  let password: string;
  try {
    password = (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '');
  } catch (cause) {
    throw new VmferryError('InvalidConfig', `cannot read ${passwordFile}: ${whyFile(cause)}`, {
      platform: 'files',
      cause,
    });
  }
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

async function bodyOf(answer: Response, name: string, mostBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    const body: AsyncIterable<Uint8Array> | null = answer.body;
    for await (const part of body ?? nothing()) {
      bytes += part.length;
      if (bytes > mostBytes) break;
      parts.push(part);
    }
  } catch (cause) {
    throw new VmferryError('Unreachable', `cannot read ${name}: the connection broke`, { platform: 'files', cause });
  }
  if (bytes <= mostBytes) return Buffer.concat(parts);
  throw new VmferryError('HostileInput', `cannot read ${name}: the server sends more than was asked for`, {
    platform: 'files',
  });
}

/** Names in the index page that most servers make of a directory: links to what lies right in it. */
async function listed(root: URL, login: HttpLogin | null, signal?: AbortSignal): Promise<string[]> {
  const shown = shownUrl(root);
  const answer = await ask(root, login, {}, signal);
  const kind = answer.headers.get('content-type') ?? '';
  if (!answer.ok || !kind.startsWith('text/html')) {
    await answer.body?.cancel();
    if (!answer.ok) throw refused(shown, answer.status);
    throw new VmferryError('NotSupported', `cannot list ${shown}: the server shows no index of it`, {
      platform: 'files',
      remedy:
        'Give the address of one file (an .ova, .ovf, .vmx, .xml or image) as the site, or let the server list it.',
    });
  }
  const page = (await bodyOf(answer, shown, MOST_INDEX_BYTES)).toString('utf8');
  const names = new Set<string>();
  for (const [, quoted] of page.matchAll(/<a\s[^>]{0,1000}?href\s*=\s*["']([^"'<>]{1,2000})["']/gi)) {
    const url = URL.canParse(quoted!, root.href) ? new URL(quoted!.replaceAll('&amp;', '&'), root) : null;
    if (!url || url.origin !== root.origin || url.search || !url.pathname.startsWith(root.pathname)) continue;
    const name = decoded(url.pathname.slice(root.pathname.length));
    if (name !== null && !name.includes('/') && !name.startsWith('.') && safeName(name)) names.add(name);
  }
  return [...names].sort();
}

function decoded(name: string): string | null {
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}

function ledElsewhere(name: string, to: URL): VmferryError {
  return new VmferryError('Denied', `cannot read ${name}: the server leads to ${shownUrl(to)}, which is no such file`, {
    platform: 'files',
    remedy: 'It may want a login: give the site user and passwordFile in vmferry.yaml, or download the files.',
  });
}

function refused(name: string, status: number): VmferryError {
  const code =
    status === 401 || status === 403 ? 'Denied' : status >= 500 || status === 429 ? 'Unreachable' : 'NotFound';
  return new VmferryError(code, `cannot read ${name}: the server answers ${status}`, {
    platform: 'files',
    remedy:
      code === 'Denied'
        ? 'See that the site has the right address and login in vmferry.yaml.'
        : 'See whether the address is right.',
  });
}
