import { readFile } from 'node:fs/promises';
import { VmferryError } from '../../errors.js';
import { whyFile } from '../../file-trouble.js';
import type { HttpAccess, HttpLogin } from './member.js';

/** One request of HTTP and its answer, and what is said where they fail. */

const TIMEOUT_MS = 60_000;
const MOST_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

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

/**
 * Asks by GET. Follows a redirect at the same host (also from http to https) and to hosts that the site names, and to no
 * other: a server of packages could lead to what only this machine reaches.
 * @throws VmferryError `Unreachable`, `Denied` where the server leads elsewhere.
 */
export async function ask(
  url: URL,
  access: HttpAccess,
  headers: Record<string, string>,
  signal?: AbortSignal,
): Promise<Response> {
  let at = url;
  for (let led = 0; led <= MOST_REDIRECTS; led++) {
    const login = sameHost(url, at) ? access.login : null;
    const answer = await askOnce(at, login, headers, signal);
    const location = REDIRECTS.includes(answer.status) ? answer.headers.get('location') : null;
    if (location === null) return answer;
    await answer.body?.cancel();
    const to = URL.canParse(location, at.href) ? new URL(location, at) : null;
    if (!to || !allowed(url, to, access)) throw ledAway(shownUrl(url), to);
    at = to;
  }
  throw new VmferryError('Denied', `cannot read ${shownUrl(url)}: the server leads round in a circle`, {
    platform: 'files',
    remedy: 'Open the address in a browser, and give the one where the file lies.',
  });
}

function allowed(from: URL, to: URL, { redirectHosts }: HttpAccess): boolean {
  if (to.protocol !== 'https:' && (to.protocol !== 'http:' || from.protocol === 'https:')) return false;
  if (to.username || to.password) return false;
  const usual = to.protocol === 'https:' ? '443' : '80';
  const names = [to.host, `${to.hostname}:${to.port || usual}`];
  return sameHost(from, to) || redirectHosts.some((each) => names.includes(each.toLowerCase()));
}

/** The same server, or its usual port for https. */
function sameHost(from: URL, to: URL): boolean {
  if (from.origin === to.origin) return true;
  return from.hostname === to.hostname && from.protocol === 'http:' && to.protocol === 'https:' && to.port === '';
}

/** Where a redirect led; null where the answer is from the address itself. */
export function ledTo(url: URL, answer: Response): URL | null {
  return answer.url === '' || answer.url === url.href ? null : new URL(answer.url);
}

async function askOnce(
  url: URL,
  login: HttpLogin | null,
  headers: Record<string, string>,
  signal?: AbortSignal,
): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { ...headers, ...(login ? { Authorization: await basic(login) } : {}), 'Accept-Encoding': 'identity' },
      redirect: 'manual',
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

/** Null where the answer is longer. @throws VmferryError `Unreachable`. */
export async function bodyOf(answer: Response, name: string, mostBytes: number): Promise<Buffer | null> {
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
  return bytes <= mostBytes ? Buffer.concat(parts) : null;
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

function ledAway(name: string, to: URL | null): VmferryError {
  const web = to !== null && /^https?:$/.test(to.protocol);
  const where = web ? shownUrl(to) : 'what is no address';
  return new VmferryError('Denied', `cannot read ${name}: the server leads to ${where}, which is not followed`, {
    platform: 'files',
    remedy: web
      ? `Give that address itself if the file lies there, or name ${to.host} under redirectHosts of the site in vmferry.yaml. It may also be a page for logging in: see user and passwordFile of the site.`
      : 'See whether the address is right, or download the files.',
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
