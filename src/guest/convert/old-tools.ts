import type { Finding } from '../../model/finding.js';
import type { Appliance } from '../appliance.js';
import type { GuestTree } from '../tree.js';

/** Packages that a guest has for the platform that it leaves, by the names of distributions and makers. */
const PACKAGES: Record<string, readonly string[]> = {
  VMware: ['open-vm-tools', 'open-vm-tools-desktop', 'open-vm-tools-salt-minion', 'open-vm-tools-containerinfo'],
  VirtualBox: [
    'virtualbox-guest-utils',
    'virtualbox-guest-x11',
    'virtualbox-guest-additions',
    'virtualbox-guest-tools',
  ],
  Xen: ['xe-guest-utilities', 'xe-guest-utilities-latest', 'xen-guest-agent'],
};
/** Made by the makers' own installers, which no package manager knows. */
const INSTALLERS: Record<string, string> = {
  VMware: '/usr/bin/vmware-uninstall-tools.pl',
  VirtualBox: '/usr/sbin/vbox-uninstall-guest-additions',
};
const REMOVE_MS = 900_000;

/**
 * Removes them by the guest's own package manager, which runs inside the appliance. What cannot be removed stays, and is
 * said: these tools do nothing where their platform is missing.
 */
export async function removeOldTools(
  appliance: Appliance,
  tree: GuestTree,
): Promise<{ changes: string[]; findings: Finding[] }> {
  const changes: string[] = [];
  const findings: Finding[] = [];
  const manager = await managerOf(appliance, tree);
  for (const [maker, names] of Object.entries(PACKAGES)) {
    const installed = manager ? await manager.installed(names) : [];
    if (manager && installed.length > 0) {
      const failed = await manager.remove(installed);
      if (failed === null) changes.push(`removed the tools of ${maker}: ${installed.join(', ')}`);
      else findings.push(kept(maker, installed.join(', '), failed));
    }
    const installer = INSTALLERS[maker];
    if (installer !== undefined && (await appliance.fileBytes(installer)) !== null) {
      findings.push(kept(maker, installer, 'they came by an installer of their own'));
    }
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
      return error instanceof Error ? (error.message.split('\n').at(-1) ?? '').slice(0, 300) : String(error);
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

function kept(maker: string, what: string, why: string): Finding {
  return {
    id: 'guest.tools-kept',
    severity: 'info',
    message: `The tools of ${maker} (${what}) stay in the guest: ${why}.`,
    remedy: 'Remove them in the guest after it has moved; where their platform is missing they do nothing.',
  };
}
