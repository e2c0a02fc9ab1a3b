import { formatBytes } from '../model/format.js';
import { columns, printJson } from './context.js';
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
}
