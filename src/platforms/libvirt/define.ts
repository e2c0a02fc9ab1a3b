import { VmferryError } from '../../errors.js';
import type { SideState, TargetVm } from '../platform.js';
import { readDomain } from './domain.js';
import { removeTpm } from './target-side-state.js';
import { isRunning, ownDomain, prepareDomain, removeDomain, sideFiles, type TargetTools } from './target-domain.js';

/** The VM's own domain at the target, from cutover on. */

/** See `TargetSite.define`. A domain of this migration that runs is left as it is. */
export async function define(tools: TargetTools, vm: TargetVm, sides: SideState, signal?: AbortSignal): Promise<void> {
  const { at } = tools;
  const there = await ownDomain(tools, vm.name, vm.owner.migrationId, 'target', signal);
  if (there && (await isRunning(tools, there.uuid, signal))) return;
  const { uuid } = vm.description;
  const options = { role: 'target', name: vm.name, uuid, linksUp: false, network: null } as const;
  const definition = await prepareDomain(tools, vm, sides, options, signal);
  const args = ['define', '--validate', '--file', '/dev/stdin'];
  if (
    (await at.virsh.runOr(/already exists with uuid|already defined/i, args, { input: definition, signal })) === null
  ) {
    throw new VmferryError('Conflict', `cannot define "${vm.name}" at ${at.site}: its name or UUID is in use`, {
      platform: 'libvirt',
      remedy: `Undefine the VM of the UUID ${uuid} there if it is what a former move left.`,
    });
  }
  await at.virsh.run(['autostart', '--domain', uuid, '--disable'], { signal });
}

/** Plugs all cables of a VM in or out, for now and for its next start. */
export async function setLinks(tools: TargetTools, vm: string, up: boolean, signal?: AbortSignal): Promise<void> {
  const { virsh } = tools.at;
  const { uuid, live, definition } = await readDomain(tools.at, vm, signal);
  for (const [domain, where] of [
    [live, '--live'],
    [definition, '--config'],
  ] as const) {
    for (const nic of domain?.at('devices')?.all('interface') ?? []) {
      const mac = nic.at('mac')?.get('address');
      if (!mac) continue;
      const flags = where === '--config' ? ['--config'] : [];
      const state = up ? 'up' : 'down';
      await virsh.run(['domif-setlink', '--domain', uuid, '--interface', mac, '--state', state, ...flags], { signal });
    }
  }
}

export async function undefine(
  tools: TargetTools,
  vm: string,
  migrationId: string,
  signal?: AbortSignal,
): Promise<void> {
  const { at, store } = tools;
  const there = await ownDomain(tools, vm, migrationId, 'target', signal);
  if (there) {
    await removeDomain(tools, there.uuid, signal);
    await removeTpm(at.host, there.uuid, signal);
  }
  await store.removeOverlays(migrationId, 'cutover', signal);
  const state = await store.read(migrationId, signal);
  if (!state) return;
  const { nvram, console } = sideFiles(state, 'target');
  await at.host.run('sh', ['-c', 'rm -f -- "$1" "$2" "$2".[0-9]', 'vmferry', nvram, console], { signal });
}
