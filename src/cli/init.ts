import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { VmferryError } from '../errors.js';
import { cannotWrite } from '../file-trouble.js';
import { quoteCommand } from '../exec/quote.js';
import { LocalHost } from '../exec/local.js';
import type { Host } from '../exec/host.js';
import type { Context } from './context.js';
import { DONE } from './exit.js';
import type { Verbs } from './program.js';

interface Options {
  config: string;
  force?: boolean;
  stdout?: boolean;
}

/** What was seen of libvirt on this machine. */
export interface LocalLibvirt {
  /** Why there is none that can be used, or null. */
  missing: string | null;
  pools: string[];
  networks: string[];
}

/** Where the other verbs look for it by themselves. */
const DEFAULT_PATH = 'vmferry.yaml';
const LOOK_TIMEOUT_MS = 10_000;

export function addInit(verbs: Verbs): void {
  verbs
    .verb('init', 'Write a commented vmferry.yaml by looking at this machine', 'vmferry init --config ./vmferry.yaml')
    .option('--config <file>', 'where to write it', DEFAULT_PATH)
    .option('--force', 'replace a file that is there')
    .option('--stdout', 'print it; write nothing')
    .action(verbs.action((options: Options) => init(verbs.context, options)));
}

async function init(context: Context, { config, force, stdout }: Options): Promise<number> {
  const seen = await lookAtLibvirt(new LocalHost(), context.signal);
  const text = configText(seen);
  if (stdout) {
    context.out(text);
    return DONE;
  }
  const path = resolve(config);
  try {
    await writeFile(path, text, { flag: force ? 'w' : 'wx', mode: 0o644 });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : null;
    if (code !== 'EEXIST') throw cannotWrite(path, cause, 'Name another place with --config, or see it with --stdout.');
    throw new VmferryError('Conflict', `cannot write ${path}: it is there already`, {
      remedy: '--force replaces it, --stdout prints what would be written.',
      cause,
    });
  }
  context.out(`Wrote ${path}.\n`);
  if (seen.missing) context.out(`No libvirt was found here: ${seen.missing}\n`);
  const named = config === DEFAULT_PATH ? [] : ['--config', config];
  context.out(`Look through it, then try it with: ${quoteCommand('vmferry', ['doctor', ...named])}\n`);
  return DONE;
}

/** Asks the libvirt of this machine for its pools and networks; never an error. */
export async function lookAtLibvirt(host: Host, signal?: AbortSignal): Promise<LocalLibvirt> {
  const names = async (...verb: string[]): Promise<string[]> => {
    const { stdout } = await host.run('virsh', ['-c', 'qemu:///system', ...verb, '--name'], {
      timeoutMs: LOOK_TIMEOUT_MS,
      signal,
    });
    return stdout
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  };
  try {
    return { missing: null, pools: await names('pool-list'), networks: await names('net-list') };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error), pools: [], networks: [] };
  }
}

/** The text of a `vmferry.yaml` for what was seen. */
export function configText({ missing, pools, networks }: LocalLibvirt): string {
  const storage = pools.includes('default') ? 'default' : pools[0];
  return `# vmferry.yaml: the places where VMs live. Its JSON Schema: docs/schemas/vmferry.json
# After a change: vmferry doctor
version: 1

sites:
  # The libvirt of this machine${missing ? ' (none answered when this file was written)' : ''}.
  here:
    platform: libvirt
    uri: qemu:///system
    # Pool, or absolute directory, for disks of VMs that come here.${pools.length > 0 ? ` Pools seen: ${comment(pools)}.` : ''}
    storage: ${JSON.stringify(storage ?? '/var/lib/libvirt/images')}
    # Networks seen: ${networks.length > 0 ? comment(networks) : 'none'}. Requests map the source's networks to these.
    # Where backup jobs keep what the guest overwrites meanwhile; QEMU has to be able to write there.
    # scratchDir: /var/lib/libvirt/images
    # A backup job is ended, not the guest, when less than this is free.
    # scratchReserve: 512MiB
    # Limit for all copies to or from this site.
    # bandwidth: 200MiB/s

  # A second site, reached by ssh: every command for it runs over there as that user, who needs a key without a
  # passphrase (or an agent) and may use libvirt.
  # there:
  #   platform: libvirt
  #   uri: qemu+ssh://root@other.example.net/system
  #   # keyfile and known_hosts are understood: …/system?keyfile=/etc/vmferry/id_ed25519
  #   storage: default

# Folder for reports, beside this file unless absolute.
reports: report

# Commands that requests may name under notify.hook; they are given JSON on standard input.
# hooks:
#   page-me: [/usr/local/bin/page, --team, ops]
`;
}

/** Names from outside for a comment: one line. */
function comment(names: readonly string[]): string {
  return names.map((name) => name.replace(/[^\u0020-\u007e\u00a0-\uffff]/g, '?')).join(', ');
}
