import type { VmferryConfig } from '../config.js';
import { VmferryError } from '../errors.js';
import { awaitGuest, putBackIn, stoppedServicesOf } from '../guest/prepare/put-back.js';
import type { GuestExec } from '../guest/prepare/script.js';
import type { Case } from './recover-case.js';
import { withSite, type Site } from './sites.js';

export type Side = 'source' | 'target';

export interface RecoverChoice {
  side: Side;
  /** A human has seen that this side does not run and will not. */
  confirmDown?: Side | undefined;
  discardTargetWrites: boolean;
  /** Of the source; default true where it ran when it was claimed. */
  start: boolean;
  /** Of the target: final, and the source retired. */
  accept: boolean;
}

/**
 * Brings one side back, by the same order as the workflow: a side is started only after the other was seen stopped and
 * unable to start, or a human declared it down. May be repeated at any point. Returns what was done, in words.
 * @throws VmferryError `Unsafe` where that cannot be seen.
 */
export async function recover(
  config: VmferryConfig,
  each: Case,
  choice: RecoverChoice,
  signal: AbortSignal,
): Promise<string[]> {
  const did: string[] = [];
  await (choice.side === 'source' ? toSource : toTarget)({ config, each, choice, did, signal });
  return did;
}

interface Work {
  config: VmferryConfig;
  each: Case;
  choice: RecoverChoice;
  did: string[];
  signal: AbortSignal;
}

async function toSource(work: Work): Promise<void> {
  const { config, each, choice, did, signal } = work;
  const { source, migrationId } = each;
  if (!source || source.state === 'gone' || source.state === 'unreachable')
    throw unsafe(
      each,
      `its source cannot be brought back: ${source ? `it is ${source.state}` : 'which VM it is, nothing says'}`,
    );
  const downTarget = choice.confirmDown === 'target';
  if (!downTarget) await removeTarget(work);
  await withSite(config, source.site, async (site) => {
    await site.endPoints(source.vm, migrationId, signal);
    const { claim } = each;
    if (!source.boots) did.push(`${source.vm} at ${source.site} is files, which nothing starts`);
    else if (claim?.autostart) {
      await site.setAutostart(source.vm, claim.autostart === 'yes', signal);
      did.push(
        `${source.vm} at ${source.site} ${claim.autostart === 'yes' ? 'starts' : 'does not start'} by itself, as before`,
      );
    } else
      did.push(`whether ${source.vm} started by itself before is not known: see \`virsh autostart\` at ${source.site}`);
    if (source.boots && choice.start && claim?.ran !== 'no') {
      const run = await site.runState(source.vm, signal);
      // A crashed guest may have left its QEMU, which would pass for one that runs.
      if (run?.state === 'crashed') await site.forceOff(source.vm, signal);
      if (run?.state !== 'running') await site.start(source.vm, signal);
      did.push(`${source.vm} at ${source.site} ${run?.state === 'running' ? 'runs' : 'was started'}`);
    }
    await putBackGuest(site, work, source.vm);
    await clean(site, work, source.vm);
  });
  if (!downTarget) await keepWhole(work);
  else did.push('nothing was removed at the target, which was declared down: `vmferry sweep` shows what is there');
}

/** A guest that was just started is waited for so long. */
const BOOT_MS = 5 * 60_000;
const SERVICE_MS = 2 * 60_000;

/** What was changed inside the guest as the claim tells; what cannot be put back is left to people, by name. */
async function putBackGuest(site: Site, { each, did, signal }: Work, vm: string): Promise<void> {
  const { claim, migrationId } = each;
  const services = stoppedServicesOf(claim, migrationId);
  const traces = claim?.addedVirtio === 'yes';
  if (services.length === 0 && !traces) return;
  const left = (why: string) => [
    ...(services.length > 0 ? [`${services.join(', ')} in the guest has to be started by hand: ${why}`] : []),
    ...(traces ? [`the file vmferry-virtio* under /etc of the guest stays: ${why}`] : []),
  ];
  try {
    const silent = await awaitGuest(site, vm, BOOT_MS, signal);
    if (silent !== null) return void did.push(...left(silent.why));
    const exec: GuestExec = (command, options) => site.guestExec(vm, command, options, signal);
    const done = await putBackIn({ migrationId, exec }, services, SERVICE_MS, traces);
    for (const { name, error } of done.services)
      did.push(
        error === null ? `${name} was started again in the guest` : `${name} has to be started by hand: ${error}`,
      );
    did.push(...done.removed.map((path) => `${path} was removed from the guest`));
  } catch (error) {
    signal.throwIfAborted();
    did.push(...left(error instanceof Error ? error.message : String(error)));
  }
}

/** The VM of the cutover and a rehearsal are gone, and seen gone. */
async function removeTarget({ config, each, choice, did, signal }: Work): Promise<void> {
  const { target, rehearsal, migrationId } = each;
  // Its target is where its replica is.
  if (each.unseen.length > 0 && each.replica === null)
    throw unsafe(each, `${each.unseen.join(', ')} cannot be asked, and its target may run there`, 'target');
  if (target?.running && !choice.discardTargetWrites) {
    throw new VmferryError(
      'Unsafe',
      `cannot go back to the source of ${migrationId}: ${target.name} runs at ${target.site}`,
      {
        remedy: 'What it wrote since the cutover would be lost; say --discard-target-writes to give that up.',
      },
    );
  }
  for (const place of new Set([target?.site, rehearsal?.site].filter((name) => name !== undefined))) {
    await withSite(config, place, async (site) => {
      if (rehearsal?.site === place) await site.endRehearsal(migrationId, signal);
      if (target?.site !== place) return;
      // It may have been started since it was shown.
      if (!choice.discardTargetWrites && (await site.runState(target.name, signal))?.instance != null)
        throw unsafe(each, `${target.name} was started at ${place} meanwhile`);
      await site.undefine(migrationId, signal);
      const left = await site.listOwned(signal);
      if (left.some(({ kind, migrationId: id }) => kind.endsWith('-target') && id === migrationId))
        throw unsafe(each, `${target.name} is still defined at ${place}`, 'target');
      did.push(`${target.name} at ${place} was switched off and removed`);
    });
  }
}

/** As after an abort: a whole replica is kept, and nothing else. */
async function keepWhole({ config, each, did, signal }: Work): Promise<void> {
  const { replica, migrationId } = each;
  if (!replica) return;
  await withSite(config, replica.site, async (site) => {
    const state = await site.readReplica(migrationId, signal);
    // Overlays may be there without the VM that was about to be defined on them; nothing can be merged beneath one.
    await site.endRehearsal(migrationId, signal);
    if (state && !each.target) await site.undefine(migrationId, signal).catch(ofAnother);
    if (state?.whole) {
      await site.discardTorn(migrationId, signal);
      await site.mergeLayers(migrationId, signal);
      did.push(
        `the whole replica is kept at ${replica.site}; \`vmferry sweep --remove --migration ${migrationId}\` removes it`,
      );
    } else {
      await site.removeReplica(migrationId, signal);
      did.push(`the replica at ${replica.site}, which was not whole, was removed`);
    }
  });
}

/** A VM of somebody else that has the name: then there is none of ours. */
function ofAnother(error: unknown): void {
  if (!(error instanceof VmferryError) || error.code !== 'Conflict') throw error;
}

async function clean(site: Site, { each, did, signal }: Work, vm: string): Promise<void> {
  await site.deleteCheckpoints(vm, each.migrationId, [], signal);
  await site.releaseClaim(vm, each.migrationId, signal);
  did.push(`points, checkpoints and claim of ${vm} were removed`);
}

async function toTarget(work: Work): Promise<void> {
  const { config, each, choice, did, signal } = work;
  const { target, source, migrationId, claim } = each;
  if (!target) throw unsafe(each, 'no VM is defined at the target');
  const downSource = choice.confirmDown === 'source';
  if (!downSource) await holdSource(work);
  await withSite(config, target.site, async (site) => {
    if (target.packed) {
      did.push(`the package ${target.name} at ${target.site} is whole; whether it was read back, nothing says`);
    } else {
      await plugIn(work, site, target.name);
    }
    if (!choice.accept) {
      did.push('the way back is open: see that it is well, then run this again with --accept, or choose the source');
      return;
    }
    await site.finalize(target.name, migrationId, claim?.autostart === 'yes', signal);
    did.push(
      target.packed
        ? `${target.name} was put to its place at ${target.site}: \`vmferry describe PATH --check\` compares an OVA or OVF with its manifest`
        : `${target.name} stands on its own disks`,
    );
  });
  if (!choice.accept) return;
  if (downSource || !source) {
    did.push('nothing was done at the source, which was declared down: never start it beside the target');
    return;
  }
  if (source.state === 'gone') return;
  await withSite(config, source.site, async (site) => {
    const note = `moved to ${target.site} as ${target.name} by vmferry migration ${migrationId}, recovered at ${new Date().toISOString()}`;
    await site.retire(source.vm, note, signal);
    did.push(`${source.vm} at ${source.site} is kept stopped, and marked as moved`);
    await clean(site, work, source.vm);
  });
}

async function plugIn({ each, did, signal }: Work, site: Site, vm: string): Promise<void> {
  const run = await site.runState(vm, signal);
  if (run?.state === 'crashed') await site.forceOff(vm, signal);
  if (run?.state !== 'running') await site.start(vm, signal);
  await site.setLinks(vm, true, signal);
  did.push(`${vm} at ${each.target!.site} ${run?.state === 'running' ? 'runs' : 'was started'}, its network plugged`);
}

/** The source is seen off, and made unable to start. */
async function holdSource({ config, each, did, signal }: Work): Promise<void> {
  const { source } = each;
  if (!source) throw unsafe(each, 'which VM its source is, nothing says', 'source');
  if (source.state === 'unreachable')
    throw unsafe(each, `${source.site} cannot be asked whether ${source.vm} runs`, 'source');
  if (source.state === 'gone') return;
  await withSite(config, source.site, async (site) => {
    const run = await site.runState(source.vm, signal);
    if (run === null) return;
    if (run.state !== 'off')
      throw unsafe(each, `${source.vm} at ${source.site} is ${run.state}: stop it first, or choose the source`);
    if (!run.autostart) return;
    await site.setAutostart(source.vm, false, signal);
    did.push(`${source.vm} at ${source.site} does not start by itself any more`);
    const again = await site.runState(source.vm, signal);
    if (again && (again.state !== 'off' || again.autostart))
      throw unsafe(each, `${source.vm} at ${source.site} can start`);
  });
}

function unsafe({ migrationId }: Case, why: string, side?: Side): VmferryError {
  return new VmferryError('Unsafe', `cannot recover ${migrationId}: ${why}`, {
    ...(side ? { remedy: `If you have seen that the ${side} does not run and will not: --confirm-down ${side}` } : {}),
  });
}
