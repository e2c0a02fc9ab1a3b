import { formatBytes } from '../model/format.js';
import type { VmDescription } from '../model/vm.js';
import { siteName } from '../request/names.js';
import { printable, printJson, type Context } from './context.js';
import type { Verbs } from './program.js';
import { withNamedSite } from './sites.js';

interface Options {
  config?: string;
  json?: boolean;
  check?: boolean;
}

export function addDescribe(verbs: Verbs): void {
  const { context } = verbs;
  verbs
    .verb(
      'describe',
      'Show a VM as vmferry sees it, with what could not be carried over: one of a site, or one in files',
      'vmferry describe exports/web01.ova --json',
    )
    .argument('<place>', 'a site of vmferry.yaml; or the path or address of an OVA, OVF, VMX, libvirt XML or image')
    .argument('[vm]', "the VM's name at that site, or in a package of several")
    .option('--config <file>', 'vmferry.yaml')
    .option('--check', "of an OVA or OVF: compare every file with the package's manifest, too")
    .option('--json', 'print the normalised description')
    .action(
      verbs.action(async (place: string, vm: string | undefined, options: Options) => {
        const atSite = vm !== undefined && siteName.safeParse(place).success;
        if (!atSite && vm === undefined && siteName.safeParse(place).success && !(await exists(place))) {
          context.err(`vmferry describe needs a VM of ${place}: \`vmferry inventory ${place}\` lists them.\n`);
          return 2;
        }
        const described = atSite
          ? await withNamedSite(options.config, place, (site) => site.describe(vm, context.signal))
          : await fromFiles(context, place, vm ?? null, options.check === true);
        if (options.json) printJson(context, described);
        else context.out(`${words(described).map(printable).join('\n')}\n`);
        return undefined;
      }),
    );
}

async function exists(path: string): Promise<boolean> {
  const { access } = await import('node:fs/promises');
  return await access(path).then(
    () => true,
    () => false,
  );
}

async function fromFiles(context: Context, place: string, vm: string | null, check: boolean): Promise<VmDescription> {
  const { describePlace } = await import('../platforms/files/describe-place.js');
  const { described, compared } = await describePlace(place, vm, check, context.signal);
  if (check) {
    context.err(
      compared === null ? 'No manifest, nothing compared.\n' : `${compared} files are as the manifest says.\n`,
    );
  }
  return described;
}

function words(vm: VmDescription): string[] {
  const { cpu } = vm;
  return [
    `${vm.name}  ${vm.uuid}`,
    `  firmware  ${vm.firmware}${vm.secureBoot ? ' with secure boot' : ''}${vm.tpm ? `, TPM ${vm.tpm.version}` : ''}`,
    `  cpu       ${cpu.count} (${cpu.sockets} x ${cpu.coresPerSocket} x ${cpu.threadsPerCore})${cpu.model ? ` ${cpu.model}` : ''}`,
    `  memory    ${formatBytes(vm.memoryBytes)}`,
    ...(vm.guestOs ? [`  guest     ${vm.guestOs}`] : []),
    ...vm.disks.map(
      (each) => `  disk      ${each.id} ${each.bus} ${formatBytes(each.sizeBytes)} ${each.format} ${each.path ?? ''}`,
    ),
    ...vm.removable.map((each) => `  ${each.kind.padEnd(10)}${each.bus}`),
    ...vm.nics.map((each) => `  nic       ${each.mac || 'no address'} ${each.model} on ${each.network}`),
    ...vm.findings.map((each) => `  ${each.severity.padEnd(10)}${each.id}: ${each.message}`),
  ];
}
