import { VmferryError } from '../../errors.js';
import { formatBytes } from '../../model/format.js';
import { openHttpFile } from './http-file.js';
import { ask, bodyOf, isPage, ledElsewhere, ledTo, refused, shownUrl } from './http-request.js';
import type { Folder, HttpAccess } from './member.js';
import { safeName } from './member-name.js';

/** More than any index of a directory. */
const MOST_INDEX_BYTES = 4 * 1024 * 1024;

/**
 * Files behind HTTP or HTTPS, read in ranges (RFC 9110, section 14), by GET alone. Every range is asked for with the
 * validator of the first answer, so that a file that is exchanged meanwhile is noticed. The index is asked for once.
 */
export function openHttpFolder(base: string, access: HttpAccess = { login: null, redirectHosts: [] }): Folder {
  const root = new URL(base);
  if (!root.pathname.endsWith('/')) root.pathname += '/';
  const shown = shownUrl(root);
  let index: Promise<string[]> | null = null;
  const list = (signal?: AbortSignal) => (index ??= listed(root, access, signal));
  return {
    name: shown,
    list,
    names: (under, signal) => (under === '' ? list(signal) : listed(new URL(addressed(under), root), access, signal)),
    open: (name, signal) => {
      if (safeName(name)) return openHttpFile(new URL(addressed(name), root), access, signal);
      throw new VmferryError('HostileInput', `cannot open ${JSON.stringify(name)} at ${shown}: it is no plain name`, {
        platform: 'files',
        remedy: 'Only files below the address itself are opened.',
      });
    },
    close: () => Promise.resolve(),
  };
}

function addressed(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/');
}

/** Names in the index page that most servers make of a directory: links to what lies right in it. */
async function listed(root: URL, access: HttpAccess, signal?: AbortSignal): Promise<string[]> {
  const shown = shownUrl(root);
  const answer = await ask(root, access, {}, signal);
  const led = ledTo(root, answer);
  const elsewhere = led !== null && led.pathname !== root.pathname;
  if (!answer.ok || !isPage(answer) || elsewhere) {
    await answer.body?.cancel();
    if (!answer.ok) throw refused(shown, answer.status);
    if (elsewhere) throw ledElsewhere(shown, led);
    throw notListed(shown, 'the server shows no index of it');
  }
  const index = await bodyOf(answer, shown, MOST_INDEX_BYTES);
  if (index === null) throw notListed(shown, `its index is longer than ${formatBytes(MOST_INDEX_BYTES)}`);
  const page = index.toString('utf8');
  const names = new Set<string>();
  for (const [, quoted] of page.matchAll(/<a\s[^<>]{0,1000}?href\s*=\s*["']([^"'<>]{1,2000})["']/gi)) {
    const url = URL.canParse(quoted!, root.href) ? new URL(quoted!.replaceAll('&amp;', '&'), root) : null;
    if (!url || url.origin !== root.origin || url.search || !url.pathname.startsWith(root.pathname)) continue;
    const name = decoded(url.pathname.slice(root.pathname.length));
    if (name !== null && !name.includes('/') && !name.startsWith('.') && safeName(name)) names.add(name);
  }
  return [...names].sort();
}

function notListed(shown: string, why: string): VmferryError {
  return new VmferryError('NotSupported', `cannot list ${shown}: ${why}`, {
    platform: 'files',
    remedy: 'Give the address of one file (an .ova, .ovf, .vmx, .xml or image) as the site, or let the server list it.',
  });
}

/** A name as it stands in an address; null where it is not UTF-8 in percent signs. */
export function decoded(name: string): string | null {
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}
