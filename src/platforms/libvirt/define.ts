import { VmferryError } from '../../errors.js';
import { stderrOf } from '../../exec/host.js';
import type { SideState, TargetVm } from '../platform.js';
import { allDomains } from './all-domains.js';
import { hardDisks } from './describe-disks.js';
import { readDomain } from './domain.js';
import { markOf } from './mark.js';
import { defineCutover, forbidCutover, removeOverlays } from '../replica/overlays.js';
import { overlayFile } from '../replica/state.js';
import { removeTpm } from './target-side-state.js';
import { isRunning, ownDomain, prepareDomain, removeDomain, sideFiles, type TargetTools } from './target-domain.js';

/** The VM's own domain at the target, from cutover on. */

/** See `TargetSite.define`. A domain of this migration that runs is left as it is. */
export async function define(tools: TargetTools, vm: TargetVm, sides: SideState, signal?: AbortSignal): Promise<void> {
  const { at, store } = tools;
  const there = await ownDomain(tools, vm.name, vm.owner.migrationId, 'target', signal);
  if (there && (await isRunning(tools, there.uuid, signal))) return;
  const { uuid } = vm.description;
  if (!there) await mustBeFree(tools, vm, signal);
  const options = { role: 'target', name: vm.name, uuid, linksUp: false, network: null } as const;
  const definition = await prepareDomain(tools, vm, sides, options, signal);
  try {
    await defineCutover(store, vm.owner.migrationId, definition, at.virsh.uri, signal);
  } catch (error) {
    if (error instanceof VmferryError && error.code === 'Superseded') await removeTraces(tools, vm, signal);
    throw explained(tools, vm, error);
  }
  await at.virsh.run(['autostart', '--domain', uuid, '--disable'], { signal });
}

/** The state of a TPM is found by the UUID alone: that of another VM must not be written over. */
async function mustBeFree(tools: TargetTools, vm: TargetVm, signal?: AbortSignal): Promise<void> {
  const uuids = [...(await tools.at.virsh.names(signal)).values()];
  if (uuids.includes(vm.description.uuid.toLowerCase())) throw inUse(tools, vm);
}

function inUse({ at }: TargetTools, { name, description }: TargetVm): VmferryError {
  return new VmferryError('Conflict', `cannot define "${name}" at ${at.site}: its name or UUID is in use`, {
    platform: 'libvirt',
    remedy: `Undefine the VM of the UUID ${description.uuid} there if it is what a former move left.`,
  });
}

/** What virsh says of the definition, instead of where it was read. */
function explained(tools: TargetTools, vm: TargetVm, error: unknown): unknown {
  const said = stderrOf(error).trim();
  if (/already exists with uuid|already defined/i.test(said)) return inUse(tools, vm);
  if (!(error instanceof VmferryError) || error.code !== 'ToolFailed' || said === '') return error;
  const why = said
    .replace(/^error: /gm, '')
    .split('\n')
    .join('; ');
  return new VmferryError('ToolFailed', `cannot define "${vm.name}" at ${tools.at.site}: ${why}`, {
    platform: 'libvirt',
    details: error.details,
  });
}

/** What a try that comes too late has made once more, after the cutover was undone. */
async function removeTraces(tools: TargetTools, vm: TargetVm, signal?: AbortSignal): Promise<void> {
  await removeFiles(tools, vm.owner.migrationId, signal);
  const { uuid } = vm.description;
  const uuids = [...(await tools.at.virsh.names(signal)).values()];
  if (!uuids.includes(uuid.toLowerCase())) await removeTpm(tools.at.host, uuid, signal);
}

async function removeFiles(tools: TargetTools, migrationId: string, signal?: AbortSignal): Promise<void> {
  const { at, store } = tools;
  await removeOverlays(store, migrationId, 'cutover', signal);
  const state = await store.read(migrationId, signal);
  if (!state) return;
  const { nvram, console } = sideFiles(state, 'target');
  await at.host.run('sh', ['-c', 'rm -f -- "$1" "$2" "$2".[0-9]', 'vmferry', nvram, console], { signal });
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

/**
 * See `TargetSite.undefine`. Our VM is known by its mark or by the overlays that it stands on, whatever it is called by
 * now. Order: forbidden first, so that no try that still runs defines it again.
 */
export async function undefine(tools: TargetTools, migrationId: string, signal?: AbortSignal): Promise<void> {
  const { at, store } = tools;
  await forbidCutover(store, migrationId, signal);
  const state = await store.read(migrationId, signal);
  const overlays = new Set(state?.disks.map((disk) => overlayFile(disk, 'cutover')));
  for (const { uuid, domain } of await allDomains(at, signal)) {
    const mark = markOf(domain);
    const ours = mark?.migrationId === migrationId && mark.role === 'target';
    const stands = hardDisks(domain).some((disk) => overlays.has(disk.at('source')?.get('file') ?? ''));
    if (!ours && !stands) continue;
    await removeDomain(tools, uuid, signal);
    await removeTpm(at.host, uuid, signal);
  }
  await removeFiles(tools, migrationId, signal);
}
