import { readFile } from 'node:fs/promises';
import { VmferryError } from '../../errors.js';
import { whyFile } from '../../file-trouble.js';
import type { HttpLogin } from './member.js';

/** One request of HTTP and its answer, and what is said where they fail. */

const TIMEOUT_MS = 60_000;

/** What an answer without a body has. */
async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Without what could be a secret. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** A page for people, which no file of a machine is. */
export function isPage(answer: Response): boolean {
  return /^(text\/html|application\/xhtml)/i.test(answer.headers.get('content-type') ?? '');
}

export async function ask(
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

export async function bodyOf(answer: Response, name: string, mostBytes: number): Promise<Buffer> {
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

export function pageInstead(name: string): VmferryError {
  return new VmferryError('Denied', `cannot read ${name}: the server sends a web page in its place`, {
    platform: 'files',
    remedy:
      'Open the address in a browser: it may want a login (user and passwordFile of the site), or be another one.',
  });
}

export function ledElsewhere(name: string, to: URL): VmferryError {
  return new VmferryError('Denied', `cannot read ${name}: the server leads to ${shownUrl(to)}, which is no such file`, {
    platform: 'files',
    remedy: 'It may want a login: give the site user and passwordFile in vmferry.yaml, or download the files.',
  });
}

export function refused(name: string, status: number): VmferryError {
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
