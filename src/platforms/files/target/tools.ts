import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openNbd } from '../../../blocks/index.js';
import { VmferryError } from '../../../errors.js';
import { LocalHost } from '../../../exec/local.js';
import { whyFile } from '../../../file-trouble.js';
import { ReplicaStore } from '../../replica/store.js';
import type { FilesConnection } from '../connect.js';
import { hiddenFolder } from './layout.js';

/** What the parts of a target of files have in common. */
export interface FilesTarget {
  at: FilesConnection;
  /** Where packages come to. */
  directory: string;
  store: ReplicaStore;
}

export function filesTarget(at: FilesConnection): FilesTarget {
  const directory = (at.config.path ?? '').replace(/(.)\/+$/, '$1');
  const hidden = hiddenFolder(directory);
  const store = new ReplicaStore({
    host: new LocalHost(),
    platform: 'files',
    storageDir: async (storage) => {
      if (storage !== null) throw otherStorage(at, storage);
      await mustBeDirectory(at, directory);
      await mustNotLead(at, hidden);
      return hidden;
    },
    // Not beside the replica: a socket's path is short, and not every file system has sockets.
    runtimeDir: join(at.config.stateDir, 'run'),
    registry: join(hidden, 'storages'),
    openStore: openNbd,
  });
  return { at, directory, store };
}

/** @throws VmferryError `NotFound`, `NotSupported`. */
export async function mustBeDirectory(at: FilesConnection, directory: string): Promise<void> {
  const found = await stat(directory).catch((cause: unknown) => {
    throw new VmferryError('NotFound', `cannot use ${at.site} as a target: ${directory}: ${whyFile(cause)}`, {
      platform: 'files',
      remedy: 'Make the directory, or see whether its file system is mounted.',
      cause,
    });
  });
  if (found.isDirectory()) return;
  throw new VmferryError('NotSupported', `cannot use ${at.site} as a target: ${directory} is a file`, {
    platform: 'files',
    remedy: 'Give the site the path of a directory.',
  });
}

/** Whoever may write into the directory could else say where replicas go. @throws VmferryError `Unsafe`. */
async function mustNotLead(at: FilesConnection, hidden: string): Promise<void> {
  const found = await lstat(hidden).catch(() => null);
  if (found === null || found.isDirectory()) return;
  throw new VmferryError('Unsafe', `cannot use ${at.site} as a target: ${hidden} is a link or a file, no folder`, {
    platform: 'files',
    remedy: 'Nothing is written through it. Find out who made it, and remove it.',
  });
}

function otherStorage({ site }: FilesConnection, storage: string): VmferryError {
  return new VmferryError(
    'NotSupported',
    `cannot write to ${JSON.stringify(storage)} at ${site}: it has one place only`,
    {
      platform: 'files',
      remedy: 'Leave `storage` and `diskStorage` out, or name another site.',
    },
  );
}
