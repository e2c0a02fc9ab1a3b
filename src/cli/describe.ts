import { formatBytes } from '../model/format.js';
import { loadConfig } from '../config.js';
import { VmferryError } from '../errors.js';
import type { InspectedGuest } from '../model/guest.js';
import type { VmDescription } from '../model/vm.js';
import { siteName } from '../request/names.js';
import { printable, printJson, type Context } from './context.js';
import type { Verbs } from './program.js';
import { withNamedSite } from './sites.js';

interface Options {
  config?: string;
  json?: boolean;
  check?: boolean;
  inspect?: boolean;
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
    .option('--inspect', 'of one in files: look into its disks, too, which takes about a minute without KVM')
    .option('--json', 'print the normalised description')
    .action(
      verbs.action(async (place: string, vm: string | undefined, options: Options) => {
        const atSite = vm !== undefined && siteName.safeParse(place).success;
        if (!atSite && vm === undefined && siteName.safeParse(place).success && !(await exists(place))) {
          throw await noVmOf(options.config, place);
        }
        if (atSite && options.inspect) {
          context.err('vmferry describe --inspect looks into machines in files only: give the path of one.\n');
          return 2;
        }
        const described = atSite
          ? await withNamedSite(options.config, place, (site) => site.describe(vm, context.signal))
          : await fromFiles(context, place, vm ?? null, options);
        if (options.json) printJson(context, described);
        else context.out(`${words(described).map(printable).join('\n')}\n`);
        return undefined;
      }),
    );
}

/** A word alone is a file that is not there, or a site without a VM. */
async function noVmOf(configPath: string | undefined, place: string): Promise<VmferryError> {
  const config = await loadConfig(configPath).catch((error: unknown) => {
    if (configPath !== undefined) throw error;
    return null;
  });
  const sites = Object.keys(config?.sites ?? {});
  if (sites.includes(place)) {
    return new VmferryError('InvalidRequest', `cannot describe ${place}: it is a site, and no VM of it is named`, {
      remedy: `\`vmferry inventory ${place}\` lists them; then \`vmferry describe ${place} VM\`.`,
    });
  }
  return new VmferryError(
    'InvalidRequest',
    `cannot describe "${place}": there is no such file, and no site of that name`,
    {
      remedy: `Give the path of a package or an image, or a site and a VM. Sites: ${sites.join(', ') || 'none'}.`,
    },
  );
}

async function exists(path: string): Promise<boolean> {
  const { access } = await import('node:fs/promises');
  return await access(path).then(
    () => true,
    () => false,
  );
}

async function fromFiles(
  context: Context,
  place: string,
  vm: string | null,
  { check = false, inspect = false }: Options,
): Promise<VmDescription> {
  const { describePlace } = await import('../platforms/files/describe-place.js');
  const { inspected } = await import('./inspect.js');
  const look = inspect ? inspected(context.signal) : undefined;
  const tell = (line: string) => context.err(`${printable(line)}\n`);
  const { described, compared } = await describePlace(place, vm, check, context.signal, tell, look);
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
    ...(vm.guest ? insideWords(vm.guest) : []),
    ...vm.findings.map((each) => `  ${each.severity.padEnd(10)}${each.id}: ${each.message}`),
  ];
}

function insideWords({ os, filesystems, kernels, boots, tools, guestAgent, notSeen }: InspectedGuest): string[] {
  const found = [os?.productName ?? os?.distribution ?? 'no system that is known', os?.architecture, os?.hostname];
  const firmwares = (['bios', 'uefi'] as const).filter((each) => boots[each]);
  return [
    `  inside    ${found.filter(Boolean).join(', ')}`,
    `  starts    ${firmwares.length > 0 ? `with ${firmwares.join(' and ')}` : 'with nothing that was found'}`,
    ...kernels.map(({ version, initramfs, drivers }) => {
      const early = Object.entries(drivers).filter(([, state]) => state === 'built-in' || state === 'initramfs');
      const what = early.map(([driver]) => driver).join(', ') || 'none of the drivers looked for';
      return `  kernel    ${version} ${initramfs ? '' : 'without initramfs '}starts with ${what}`;
    }),
    ...filesystems.map(({ device, type, mountpoint, sizeBytes, freeBytes }) => {
      const room =
        sizeBytes === null || freeBytes === null ? '' : ` ${formatBytes(freeBytes)} free of ${formatBytes(sizeBytes)}`;
      return `  holds     ${device} ${type}${mountpoint === null ? '' : ` at ${mountpoint}`}${room}`;
    }),
    ...(tools.length > 0 ? [`  tools     ${tools.join(', ')}`] : []),
    ...(guestAgent ? ['  agent     qemu-ga'] : []),
    ...notSeen.map((each) => `  not seen  ${each}`),
  ];
}
