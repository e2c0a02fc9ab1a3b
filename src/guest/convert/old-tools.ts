import { VmferryError } from '../../errors.js';
import type { Finding } from '../../model/finding.js';
import { PLATFORM_TOOLS, PLATFORMS_WITH_TOOLS } from '../../model/platform-tools.js';
import type { Appliance } from '../appliance.js';
import { applianceTree } from '../appliance-tree.js';
import { toolsIn } from '../inspect/contents.js';
import type { GuestTree } from '../tree.js';

const REMOVE_MS = 900_000;

/**
 * Removes the tools of the platform that the guest leaves by the guest's own package manager, which runs inside the
 * appliance. What cannot be removed stays, and is said: these tools do nothing where their platform is missing.
 */
export async function removeOldTools(
  appliance: Appliance,
  tree: GuestTree,
): Promise<{ changes: string[]; findings: Finding[] }> {
  const changes: string[] = [];
  const failures = new Map<string, string>();
  const manager = await managerOf(appliance, tree);
  for (const platform of PLATFORMS_WITH_TOOLS) {
    const { maker, packages } = PLATFORM_TOOLS[platform];
    const installed = manager ? await manager.installed(packages) : [];
    if (!manager || installed.length === 0) continue;
    const failed = await manager.remove(installed);
    if (failed === null) changes.push(`removed the tools of ${maker}: ${installed.join(', ')}`);
    else failures.set(platform, `${installed.join(', ')}: ${failed}`);
  }
  const findings: Finding[] = [];
  // The tree remembers what was there before.
  for (const platform of await toolsIn(applianceTree(appliance))) {
    const { maker, uninstaller } = PLATFORM_TOOLS[platform];
    const own = uninstaller !== null && (await appliance.fileBytes(uninstaller)) !== null;
    const why = own ? `${uninstaller}: they came by an installer of their own` : 'no package known here brought them';
    findings.push(kept(maker, failures.get(platform) ?? why));
  }
  return { changes, findings };
}

interface Manager {
  installed(names: readonly string[]): Promise<string[]>;
  /** Null where it worked, else why not. */
  remove(names: readonly string[]): Promise<string | null>;
}

async function managerOf(appliance: Appliance, tree: GuestTree): Promise<Manager | null> {
  const run = async (words: readonly string[]): Promise<string | null> => {
    try {
      await appliance.command(['command', words], { timeoutMs: REMOVE_MS });
      return null;
    } catch (error) {
      if (!(error instanceof VmferryError) || error.code !== 'GuestUnreadable') throw error;
      return (error.message.split('\n').at(-1) ?? '').slice(0, 300);
    }
  };
  if ((await tree.list('/var/lib/dpkg')).includes('status')) {
    const lists = new Set(await tree.list('/var/lib/dpkg/info'));
    return {
      // An installed package of no or one architecture (dpkg's own database).
      installed: (names) =>
        Promise.resolve(names.filter((name) => lists.has(`${name}.list`) || lists.has(`${name}:amd64.list`))),
      remove: (names) => run(['env', 'DEBIAN_FRONTEND=noninteractive', 'dpkg', '--purge', '--', ...names]),
    };
  }
  if ((await tree.list('/var/lib/rpm')).length > 0 || (await tree.list('/usr/lib/sysimage/rpm')).length > 0) {
    return {
      installed: async (names) => {
        const found: string[] = [];
        for (const name of names) if ((await run(['rpm', '-q', '--quiet', name])) === null) found.push(name);
        return found;
      },
      remove: (names) => run(['rpm', '-e', ...names]),
    };
  }
  return null;
}

function kept(maker: string, why: string): Finding {
  return {
    id: 'guest.tools-kept',
    severity: 'info',
    message: `The tools of ${maker} stay in the guest (${why}).`,
    remedy: 'Remove them in the guest after it has moved; where their platform is missing they do nothing.',
  };
}
