import { VmferryError } from '../../errors.js';
import { stderrOf, type RunOptions, type RunResult } from '../../exec/host.js';
import type { LibvirtConnection } from './connect.js';

/**
 * Runs one of the constant scripts of a point in time at the site. Errors say `what` could not be done and why; the
 * script itself is in none of them.
 * @throws VmferryError `NoSpace` where a file system is full, else as `Host.run`.
 */
export async function runScript(
  at: LibvirtConnection,
  script: string,
  args: readonly string[],
  what: string,
  options: RunOptions = {},
): Promise<RunResult> {
  try {
    return await at.host.run('sh', ['-c', script, 'sh', ...args], options);
  } catch (error) {
    throw briefly(error, at, what);
  }
}

function briefly(error: unknown, at: LibvirtConnection, what: string): unknown {
  if (!(error instanceof VmferryError) || error.code === 'Unreachable') return error;
  const { details } = error;
  const said = stderrOf(error)
    .trim()
    .replace(/^error: /gm, '');
  const where = `on ${at.host.name}`;
  if (/no space left on device|disk quota exceeded/i.test(said)) {
    return new VmferryError('NoSpace', `cannot ${what} ${where}: ${said.split('\n').pop()}`, {
      platform: 'libvirt',
      remedy: `Make room in ${at.config.stateDir} and ${at.config.scratchDir} there, then resume.`,
      details,
    });
  }
  const why = said || (/it did not end within .*|it was cancelled$/.exec(error.message)?.[0] ?? 'it does not say why');
  return new VmferryError(error.code, `cannot ${what} ${where}: ${why}`, { platform: 'libvirt', details });
}
