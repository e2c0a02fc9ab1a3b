import type { Command } from 'commander';
import { loadConfig, siteOf, type VmferryConfig } from '../config.js';
import { VmferryError } from '../errors.js';

/** The options of `migrate` and `assess` that give fields of a request. */
export function requestOptions(command: Command): Command {
  return command
    .option('--from <site>', 'source site')
    .option('--to <site>', 'target site')
    .option('--request <file>', 'a JSON file with the whole request; flags win over it')
    .option('--set <path=value>', 'any field of the request, such as sync.interval=10m', collect)
    .option('--target-name <name>', "the VM's name at the target")
    .option('--network <source=target>', 'map a network; may be repeated', collect)
    .option('--storage <pool>', 'pool or directory at the target')
    .option('--disk-format <format>', 'qcow2 or raw; at a target of files also vmdk, vpc, vhdx, vdi, qcow')
    .option('--package <kind>', 'ova, ovf, libvirt-xml or images, at a target of files')
    .option('--adopt <migration>', 'take over the whole replica that this migration kept')
    .option('--exclude-disk <disk>', 'leave a disk behind; may be repeated', collect)
    .option('--cpus <count>', 'virtual CPUs at the target')
    .option('--memory <size>', 'memory at the target, such as 4GiB')
    .option('--bandwidth <rate>', 'limit for all disks together, such as 200MiB/s')
    .option('--at <time>', 'cut over not before, such as 2030-11-23T22:00:00+01:00')
    .option('--max-downtime <duration>', 'refuse a cutover predicted above this')
    .option('--shutdown <policy>', 'graceful, force-after or ask')
    .option('--approval <mode>', 'required or automatic')
    .option('--acceptance <mode>', 'manual or automatic')
    .option('--no-rehearsal', 'no test boot before the approval')
    .option('--waive <finding=reason>', 'go on in spite of a blocking finding; may be repeated', collect)
    .option('--config <file>', 'vmferry.yaml, to check the names of sites');
}

export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** The request, with sites that exist where this machine has a `vmferry.yaml`. */
export async function checkedRequest<R extends { source: string; target: string }>(
  configPath: string | undefined,
  build: () => Promise<R>,
): Promise<R> {
  const config = await loadConfig(configPath).catch((error: unknown) => {
    // The command line may be far from the worker, whose file counts.
    if (configPath === undefined && error instanceof VmferryError && error.details['missing'] === true) return null;
    throw error;
  });
  const request = await build().catch((error: unknown) => {
    throw withSites(error, config);
  });
  if (config) for (const site of [request.source, request.target]) siteOf(config, site);
  return request;
}

/** Where a site is missing or wrong, those that there are belong to the answer; so does where fields are to be found. */
function withSites(error: unknown, config: (VmferryConfig & { path: string }) | null): unknown {
  if (!(error instanceof VmferryError) || !Array.isArray(error.details['fields'])) return error;
  const lines = error.details['fields'].map(String);
  const remedies = [
    ...(lines.some((line) => /^(source|target):/.test(line)) ? [siteWords(config)] : []),
    ...(lines.some((line) => line.endsWith(': unknown field')) ? ['Every field is in docs/requests.md.'] : []),
  ];
  const { message, details } = error;
  return new VmferryError('InvalidRequest', message, { remedy: remedies.join(' '), details, cause: error });
}

function siteWords(config: (VmferryConfig & { path: string }) | null): string {
  if (config) return `Sites in ${config.path}: ${Object.keys(config.sites).join(', ') || 'none'}.`;
  return 'Sites are named in vmferry.yaml, and there is none here: name it with --config, or write one with `vmferry init`.';
}
