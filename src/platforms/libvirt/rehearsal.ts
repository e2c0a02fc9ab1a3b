import type { SideState, TargetVm } from '../platform.js';
import { isConverted, removeOverlays } from '../replica/overlays.js';
import { removeTpm } from './target-side-state.js';
import {
  isRunning,
  ownDomain,
  prepareDomain,
  rehearsalName,
  rehearsalUuid,
  removeDomain,
  sideFiles,
  type TargetTools,
} from './target-domain.js';

/**
 * A test boot. Its NICs lead nowhere unless a network is named, so no packet leaves it whatever the host's own network
 * does. The domain is transient: nothing can start it again.
 */
export async function startRehearsal(
  tools: TargetTools,
  vm: TargetVm,
  sides: SideState,
  network: string | null,
  signal?: AbortSignal,
): Promise<string> {
  const { migrationId } = vm.owner;
  const name = rehearsalName(vm.name, migrationId);
  const there = await ownDomain(tools, name, migrationId, 'rehearsal', signal);
  if (there && (await isRunning(tools, there.uuid, signal))) return name;
  // What a conversion made for it is what it boots; all else that is there was left by another try.
  if (await isConverted(tools.store, migrationId, 'rehearsal', signal)) await removeVm(tools, migrationId, signal);
  else await endRehearsal(tools, migrationId, signal);
  const uuid = rehearsalUuid(migrationId);
  const options = { role: 'rehearsal', name, uuid, linksUp: true, network } as const;
  const definition = await prepareDomain(tools, vm, sides, options, signal);
  const args = ['create', '--validate', '--file', '/dev/stdin'];
  // Two at once: the second finds the first's domain, which is as good.
  await tools.at.virsh.runOr(/already exists|already active/i, args, {
    input: definition,
    signal,
    timeoutMs: 180_000,
  });
  return name;
}

export async function endRehearsal(tools: TargetTools, migrationId: string, signal?: AbortSignal): Promise<void> {
  await removeVm(tools, migrationId, signal);
  await removeOverlays(tools.store, migrationId, 'rehearsal', signal);
}

/** Without its disks. */
async function removeVm(tools: TargetTools, migrationId: string, signal?: AbortSignal): Promise<void> {
  const { at, store } = tools;
  for (const [name, uuid] of await at.virsh.names(signal)) {
    if (!name.endsWith(`-rehearsal-${migrationId}`)) continue;
    if (await ownDomain(tools, name, migrationId, 'rehearsal', signal)) await removeDomain(tools, uuid, signal);
  }
  await removeTpm(at.host, rehearsalUuid(migrationId), signal);
  const state = await store.read(migrationId, signal);
  if (!state) return;
  const { nvram, console } = sideFiles(state, 'rehearsal');
  await at.host.run('sh', ['-c', 'rm -f -- "$1" "$2" "$2".[0-9]', 'vmferry', nvram, console], { signal });
}
