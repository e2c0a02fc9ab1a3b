import { formatBytes } from '../model/format.js';
import type { VmDescription } from '../model/vm.js';
import { columns, printable, printJson } from './context.js';
import type { Verbs } from './program.js';
import { withNamedSite } from './sites.js';

interface Options {
  config?: string;
  json?: boolean;
}

export function addInventory(verbs: Verbs): void {
  const { context } = verbs;
  verbs
    .verb('inventory', 'List the VMs of a site', 'vmferry inventory dc-old')
    .argument('<site>', 'a site of vmferry.yaml')
    .option('--config <file>', 'vmferry.yaml')
    .option('--json', 'print JSON')
    .action(
      verbs.action(async (name: string, { config, json }: Options) => {
        const vms = await withNamedSite(config, name, (site) => site.inventory(context.signal));
        if (json) printJson(context, vms);
        else if (vms.length === 0) context.out(`No VMs at ${name}.\n`);
        else {
          const rows = vms.map((vm) => [
            vm.name,
            vm.state,
            String(vm.cpus),
            formatBytes(vm.memoryBytes),
            String(vm.disks),
            vm.uuid,
          ]);
          context.out(columns([['NAME', 'STATE', 'CPUS', 'MEMORY', 'DISKS', 'UUID'], ...rows]));
        }
        return undefined;
      }),
    );
  verbs
    .verb(
      'describe',
      'Show a VM as vmferry sees it, with what could not be carried over',
      'vmferry describe dc-old web01 --json',
    )
    .argument('<site>', 'a site of vmferry.yaml')
    .argument('<vm>', "the VM's name at that site")
    .option('--config <file>', 'vmferry.yaml')
    .option('--json', 'print the normalised description')
    .action(
      verbs.action(async (name: string, vm: string, { config, json }: Options) => {
        const described = await withNamedSite(config, name, (site) => site.describe(vm, context.signal));
        if (json) printJson(context, described);
        else context.out(`${words(described).map(printable).join('\n')}\n`);
        return undefined;
      }),
    );
}

function words(vm: VmDescription): string[] {
  const { cpu } = vm;
  return [
    `${vm.name}  ${vm.uuid}`,
    `  firmware  ${vm.firmware}${vm.secureBoot ? ' with secure boot' : ''}${vm.tpm ? `, TPM ${vm.tpm.version}` : ''}`,
    `  cpu       ${cpu.count} (${cpu.sockets} x ${cpu.coresPerSocket} x ${cpu.threadsPerCore})${cpu.model ? ` ${cpu.model}` : ''}`,
    `  memory    ${formatBytes(vm.memoryBytes)}`,
    ...vm.disks.map(
      (each) => `  disk      ${each.id} ${each.bus} ${formatBytes(each.sizeBytes)} ${each.format} ${each.path ?? ''}`,
    ),
    ...vm.nics.map((each) => `  nic       ${each.mac} ${each.model} on ${each.network}`),
    ...vm.findings.map((each) => `  ${each.severity.padEnd(10)}${each.id}: ${each.message}`),
  ];
}
