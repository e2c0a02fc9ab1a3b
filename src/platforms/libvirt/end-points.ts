import type { LibvirtConnection } from './connect.js';
import { namePrefix, pointFiles, pointOfSocket, pointsFolder } from './point-files.js';
import { END } from './point-scripts.js';
import { runScript } from './run-script.js';
import { parseXml } from '../xml.js';

/** Ends jobs, exports, freezes and scratch files of points. A VM that is gone has none, but maybe files. */
export async function endPointsByName(
  at: LibvirtConnection,
  uuid: string | null,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  if (names.length === 0) return;
  names.forEach((name) => pointFiles(at, name));
  const args = [at.virsh.uri, uuid ?? '', at.config.scratchDir, pointsFolder(at), ...names];
  await runScript(at, END, args, `end ${names.join(', ')}`, { signal, timeoutMs: 120_000 });
}

export async function endPoints(
  at: LibvirtConnection,
  vm: string,
  migrationId: string,
  signal?: AbortSignal,
): Promise<void> {
  const prefix = namePrefix(migrationId);
  const uuid = await at.virsh.findUuid(vm, signal);
  const script = 'for d in "$1"/"$3"*/ "$2"/"$3"*/; do [ -d "$d" ] && basename "$d"; done; exit 0';
  const folders = [pointsFolder(at), at.config.scratchDir];
  const { stdout } = await at.host.run('sh', ['-c', script, 'sh', ...folders, prefix], { signal });
  const names = new Set(stdout.split('\n').filter(Boolean));
  const job = uuid ? await at.virsh.runOr(/./, ['backup-dumpxml', '--domain', uuid], { signal }) : null;
  const running = job ? pointOfSocket(at, parseXml(job, 'the backup job').at('server')?.get('socket') ?? null) : null;
  if (running?.startsWith(prefix)) names.add(running);
  await endPointsByName(at, uuid, [...names], signal);
}
