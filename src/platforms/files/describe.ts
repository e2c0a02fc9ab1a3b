import { posix } from 'node:path';
import { blocking, info, warning, type Finding } from '../../model/finding.js';
import type { VmDescription, VmSummary } from '../../model/vm.js';
import type { FilesConnection } from './connect.js';
import { lookAtDisks } from './look.js';
import { manifestFindings } from './manifest-files.js';
import {
  leftOutOf,
  madeMac,
  madeUuid,
  namesAtSite,
  openMachine,
  openRoot,
  packagesOf,
  type Machine,
} from './machines.js';
import { machinesOf } from './package.js';
import { VmferryError } from '../../errors.js';
import { quoted } from './foreign-values.js';
import { hasNvram } from './side-state.js';

/** Uses one machine of a site, and closes it. @throws VmferryError `NotFound`, naming those that exist. */
export async function withMachine<T>(
  at: FilesConnection,
  vm: string,
  use: (machine: Machine) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { root, only } = await openRoot(at);
  try {
    const machine = await openMachine(at, root, only, vm, signal);
    try {
      return await use(machine);
    } finally {
      await machine.from.close();
    }
  } finally {
    await root.close();
  }
}

/** The machine as it can be built elsewhere: with the name that it has here, and what its package leaves open filled in. */
export function describe(at: FilesConnection, vm: string, signal?: AbortSignal): Promise<VmDescription> {
  return withMachine(
    at,
    vm,
    async (machine) => {
      const vm = await described(at, machine, signal);
      return completed(at, machine, await withVariables(machine, vm, signal));
    },
    signal,
  );
}

/** The machine as its package describes it. */
export async function described(at: FilesConnection, machine: Machine, signal?: AbortSignal): Promise<VmDescription> {
  const vm = await lookAtDisks(machine.from, machine.foreign, at.scratch, signal);
  return { ...vm, findings: [...vm.findings, ...(await manifestFindings(machine.from, signal))] };
}

/** With the UEFI variables that come along, and what is to be said where none do: those of other makers are of no use. */
export async function withVariables(machine: Machine, vm: VmDescription, signal?: AbortSignal): Promise<VmDescription> {
  if (vm.firmware !== 'uefi') return { ...vm, nvramPath: null };
  const there = await hasNvram(machine, signal);
  if (there) return vm;
  const finding =
    there === false
      ? {
          id: 'firmware.variables-missing',
          ...warning(
            `The UEFI variables (${quoted(posix.basename(vm.nvramPath ?? ''))}) do not lie beside the description: the machine gets new ones.`,
            'Put that file there; or see that the guest has a boot loader in \\EFI\\BOOT, the path for removable media.',
          ),
        }
      : {
          id: 'firmware.variables-new',
          ...info(
            'No UEFI variables that could be used elsewhere are in the package: the machine gets new ones.',
            'The guest boots by the path for removable media, \\EFI\\BOOT; see that its boot loader is there, or have it converted.',
          ),
        };
  return { ...vm, nvramPath: null, findings: [...vm.findings, finding] };
}

function completed(at: FilesConnection, machine: Machine, vm: VmDescription): VmDescription {
  const findings: Finding[] = [];
  const uuid = vm.uuid || madeUuid(at, machine);
  const nics = vm.nics.map((nic, nth) =>
    nic.mac ? nic : { ...nic, mac: madeMac(at, machine, nth), addressMade: true },
  );
  if (!vm.uuid) findings.push(made('vm.uuid-made', `The package says no UUID; ${uuid} is used.`));
  for (const [nth, nic] of nics.entries()) {
    if (vm.nics[nth]!.mac) continue;
    findings.push(
      made('nic.address-made', `No address is said of the network card on "${nic.network}"; ${nic.mac} is used.`),
    );
  }
  if (vm.tpm) {
    findings.push({
      id: 'tpm.state-missing',
      ...blocking(
        "The package does not hold the TPM's state: the machine would get an empty TPM.",
        'Unseal what the guest keeps in it, and waive this finding.',
      ),
    });
  }
  return {
    ...vm,
    name: machine.name,
    uuid,
    nics,
    // Its state is in no package, so there is nothing to look for.
    tpm: vm.tpm && { ...vm.tpm, statePath: null },
    findings: [...vm.findings, ...findings],
  };
}

function made(id: string, message: string): Finding {
  return {
    id,
    severity: 'info',
    message,
    remedy: 'Add it to the descriptor where the guest or a licence needs the old one.',
  };
}

/** Every machine of the site. What cannot be read is listed as such; asking for it says why. */
export async function inventory(at: FilesConnection, signal?: AbortSignal): Promise<VmSummary[]> {
  const { root, only } = await openRoot(at);
  try {
    const found: VmSummary[] = [];
    const unread = (name: string): VmSummary => ({ name, uuid: '', state: 'other', memoryBytes: 0, cpus: 0, disks: 0 });
    for (const [name, path] of await packagesOf(root, only, signal)) {
      try {
        const from = await machinesOf(root, path, at.scratch, signal);
        const names = namesAtSite(from, name);
        for (const [nth, { vm }] of from.machines.entries()) {
          found.push({
            name: names[nth]!,
            uuid: vm.uuid,
            state: 'off',
            memoryBytes: vm.memoryBytes,
            cpus: vm.cpu.count,
            disks: vm.disks.length,
          });
        }
      } catch (error) {
        if (!(error instanceof VmferryError) || error.code === 'Unreachable') throw error;
        found.push(unread(name));
      }
    }
    const closed = only === null ? (await root.list(signal)).filter((path) => path.endsWith('/')) : [];
    const leftOut = await leftOutOf(root, only, signal);
    return [...found, ...closed.map(unread), ...leftOut.map(({ name }) => unread(name))];
  } finally {
    await root.close();
  }
}
