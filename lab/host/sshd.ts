import { join } from 'node:path';
import { cacheDirectory } from '../../src/config.js';
import { candidateVersions, exists, unpackPackages } from '../debian.js';

export interface SshServer {
  program: string;
  /** Folder of libraries that it needs and this machine lacks; empty for none. */
  libraries: string;
  /** Further lines of sshd_config(5). */
  settings: string[];
}

/**
 * OpenSSH's server: this machine's own, else unpacked into the cache. It is never installed, since Debian's package
 * would start a server on this machine's port 22.
 */
export async function findSshServer(installed = '/usr/sbin/sshd'): Promise<SshServer> {
  if (await exists(installed)) return { program: installed, libraries: '', settings: [] };
  const [version = ''] = await candidateVersions(['openssh-server']);
  // A colon would part the path of libraries in two.
  const root = join(cacheDirectory(), 'openssh', version.replaceAll(':', '_'));
  await unpackPackages(['openssh-server'], root);
  const settings: string[] = [];
  // OpenSSH 9.8 and later split the server; the parts are looked for where the package would have installed them.
  for (const [setting, part] of [
    ['SshdSessionPath', 'sshd-session'],
    ['SshdAuthPath', 'sshd-auth'],
  ] as const) {
    const path = join(root, 'usr/lib/openssh', part);
    if (await exists(path)) settings.push(`${setting} ${path}`);
  }
  return { program: join(root, 'usr/sbin/sshd'), libraries: join(root, 'usr/lib/x86_64-linux-gnu'), settings };
}
