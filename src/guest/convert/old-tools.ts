import { VmferryError } from '../../errors.js';
import type { Finding } from '../../model/finding.js';
import type { InspectedGuest } from '../../model/guest.js';
import { PLATFORM_TOOLS, PLATFORMS_WITH_TOOLS } from '../../model/platform-tools.js';
import type { Appliance } from '../appliance.js';
import { applianceTree, type ReadableFiles } from '../appliance-tree.js';
import { toolsIn } from '../inspect/contents.js';
import type { GuestTree } from '../tree.js';

const REMOVE_MS = 900_000;

/** What an inspection told of its packages. */
export type PackagesOf = Pick<InspectedGuest, 'os' | 'applications'>;
type RunningGuest = ReadableFiles & Pick<Appliance, 'command'>;

/**
 * Removes the tools of the platform that the guest leaves by the guest's own package manager, which runs inside the
 * appliance. What cannot be removed stays, and is said: these tools do nothing where their platform is missing.
 */
export async function removeOldTools(
  appliance: RunningGuest,
  tree: GuestTree,
  guest: PackagesOf,
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
    const { maker, uninstaller, packages } = PLATFORM_TOOLS[platform];
    const own = uninstaller !== null && (await appliance.fileBytes(uninstaller)) !== null;
    const byHand = manager || own ? null : removedByHand(guest, packages);
    const unknown = manager ? 'no package known here brought them' : 'the guest has no package manager known here';
    const why = byHand?.why ?? (own ? `${uninstaller}: they came by an installer of their own` : unknown);
    findings.push(kept(maker, failures.get(platform) ?? why, byHand?.command));
  }
  return { changes, findings };
}

interface Manager {
  installed(names: readonly string[]): Promise<string[]>;
  /** Null where it worked, else why not. */
  remove(names: readonly string[]): Promise<string | null>;
}

async function managerOf(appliance: RunningGuest, tree: GuestTree): Promise<Manager | null> {
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

const MOST_NAMED = 20;

/** Of the managers that are not run here, how packages are removed; null where none of them brought these. */
function removedByHand(
  { os, applications }: PackagesOf,
  packages: readonly string[],
): { why: string; command: string } | null {
  const manager = os?.packageFormat;
  if (manager !== 'apk' && manager !== 'pacman') return null;
  // They part packages into more than are listed here.
  const isOne = (name: string) => packages.some((each) => name === each || name.startsWith(`${each}-`));
  const names = applications.map(({ name }) => name).filter((name) => /^[\w.+@-]+$/.test(name) && isOne(name));
  if (names.length === 0) return null;
  const shown = names.slice(0, MOST_NAMED).join(' ');
  const remove = manager === 'apk' ? 'apk del' : 'pacman -Rns';
  return { why: `${shown}: packages of ${manager} are not removed here`, command: `${remove} ${shown}` };
}

function kept(maker: string, why: string, command?: string): Finding {
  const way = command === undefined ? '' : `: \`${command}\``;
  return {
    id: 'guest.tools-kept',
    severity: 'info',
    message: `The tools of ${maker} stay in the guest (${why}).`,
    remedy: `Remove them in the guest after it has moved${way}; where their platform is missing they do nothing.`,
  };
}
