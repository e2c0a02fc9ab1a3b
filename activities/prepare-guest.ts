import { VmferryError } from '../src/errors.js';
import { freeSpace } from '../src/guest/prepare/free-space.js';
import { awaitGuest, putBackIn, stoppedServicesOf } from '../src/guest/prepare/put-back.js';
import { stopServices } from '../src/guest/prepare/services.js';
import { addVirtio } from '../src/guest/prepare/virtio.js';
import { formatBytes } from '../src/model/format.js';
import type { PreparationRecord } from '../src/model/status.js';
import { signalOf } from './context.js';
import type { ActivityDeps, Site } from './deps.js';
import { insideOf, rootFreeBytes } from './inside-guest.js';
import type { MigrationActivities, PutBackResult, Ref } from './io.js';

type Names = 'prepareGuest' | 'stopServices' | 'putBackGuest';

/** A guest that was just started is waited for so long until its agent answers. */
const BOOT_MS = 5 * 60_000;

/** What is changed in the running source's guest because the request asks for it, and the way back from it. */
export function prepareGuestActivities(deps: ActivityDeps): Pick<MigrationActivities, Names> {
  return {
    async prepareGuest(input) {
      const source = deps.site(input.source);
      const { step } = input;
      switch (step.kind) {
        case 'free-space':
          return [await free(source, input, step.sources)];
        case 'virtio-in-initramfs':
          return [await virtio(source, input)];
        case 'trim':
          return await trim(source, input);
        case 'check-space':
          return [await checkSpace(source, input, step.leastBytes)];
      }
    },
    stopServices: (input) => stop(deps.site(input.source), input),
    putBackGuest: (input) => putBack(deps.site(input.source), input),
  };
}

type Parts = Pick<PreparationRecord, 'action' | 'result'> & Partial<PreparationRecord>;

function recordOf(parts: Parts): PreparationRecord {
  const empty = { subject: '', commands: [], freedBytes: null, putBackAt: null, putBack: null };
  return { ...empty, at: new Date().toISOString(), ...parts };
}

async function free(source: Site, ref: Ref, sources: ('package-caches' | 'temporary-files')[]) {
  const { commands, freedBytes } = await freeSpace(insideOf(source, ref), sources);
  const result = commands.length === 0 ? 'nothing of the kind is there' : `${formatBytes(freedBytes)} more are free`;
  return recordOf({ action: 'free-space', subject: sources.join(', '), commands, freedBytes, result });
}

async function virtio(source: Site, ref: Ref) {
  // Of a guest that cannot be asked nothing is noted, and nothing waited for on the way back.
  const inside = insideOf(source, ref);
  await inside.exec(['/bin/sh', '-c', ':'], { timeoutMs: 60_000 });
  // Before the change, so that the file is removed whatever becomes of this.
  await source.noteInClaim(ref.vm, ref.migrationId, { addedVirtio: 'yes' }, signalOf());
  const { had, rebuilt, wrote, commands } = await addVirtio(inside);
  const parts = [
    rebuilt.length > 0 ? `${rebuilt.join(', ')} built anew, told by ${wrote}` : '',
    had.length > 0 ? `${had.join(', ')} had the drivers` : '',
  ];
  return recordOf({ action: 'virtio-in-initramfs', commands, result: parts.filter(Boolean).join('; ') });
}

async function trim(source: Site, ref: Ref) {
  const trimmed = await source.guestTrim(ref.vm, signalOf());
  if (trimmed.length === 0)
    return [recordOf({ action: 'trim', commands: ['guest-fstrim'], result: 'no file system can be trimmed' })];
  return trimmed.map(({ path, trimmedBytes, error }) =>
    recordOf({
      action: 'trim',
      subject: path,
      commands: ['guest-fstrim'],
      freedBytes: trimmedBytes,
      result: error ?? (trimmedBytes === null ? 'trimmed' : `${formatBytes(trimmedBytes)} trimmed`),
    }),
  );
}

async function checkSpace(source: Site, ref: Ref, leastBytes: number) {
  const found = await rootFreeBytes(source, ref.vm);
  if (found === null || found < leastBytes) {
    const why = found === null ? 'its agent is too old to say' : `${formatBytes(found)} are free`;
    throw new VmferryError(
      'NoSpace',
      `cannot go on with ${ref.vm}: ${formatBytes(leastBytes)} shall be free on its root file system, and ${why}`,
      { remedy: 'Make room in the guest and resume, or abort and ask for less in prepareGuest.minFree.' },
    );
  }
  return recordOf({ action: 'check-space', subject: '/', result: `${formatBytes(found)} are free` });
}

async function stop(
  source: Site,
  input: Parameters<MigrationActivities['stopServices']>[0],
): Promise<PreparationRecord[]> {
  const { vm, migrationId, services, timeoutMs } = input;
  // Stopped by an earlier try.
  const noted = stoppedServicesOf(await source.readClaim(vm, signalOf()), migrationId);
  const stopped = await stopServices(insideOf(source, input), services, timeoutMs, async (running) => {
    const all = services.filter((name) => noted.includes(name) || running.includes(name));
    await source.noteInClaim(vm, migrationId, { stoppedServices: all.join(' ') }, signalOf());
  });
  return stopped.map(({ name, was, command }) => {
    const before = was === 'unknown' ? 'there is no such service' : 'it did not run';
    const result = command !== null ? 'stopped' : noted.includes(name) ? 'stopped, by an earlier try' : before;
    return recordOf({ action: 'stop-service', subject: name, commands: command === null ? [] : [command], result });
  });
}

async function putBack(
  source: Site,
  input: Parameters<MigrationActivities['putBackGuest']>[0],
): Promise<PutBackResult> {
  const { vm, migrationId, timeoutMs, traces, giveUp } = input;
  const claim = await source.readClaim(vm, signalOf());
  const services = [...new Set([...input.services, ...stoppedServicesOf(claim, migrationId)])];
  const nothing = { services: services.map((name) => ({ name, error: null })), removed: [], stays: null };
  if (services.length === 0 && !traces) return nothing;
  // Notes in the guest's /run are not worth waiting for.
  const worth = services.length > 0 || (claim?.migrationId === migrationId && claim.addedVirtio === 'yes');
  const silent = await awaitGuest(source, vm, worth ? BOOT_MS : 0, signalOf());
  if (silent !== null && !worth) return nothing;
  if (silent !== null) {
    if (silent.final || giveUp)
      return { services: services.map((name) => ({ name, error: silent.why })), removed: [], stays: silent.why };
    throw new VmferryError('GuestUnwilling', `cannot put back what was changed in the guest of ${vm}: ${silent.why}`, {
      remedy: `See whether the guest is up and its agent runs, and resume: it is tried once more, and then left to you${services.length > 0 ? ` to start ${services.join(', ')}` : ''}.`,
    });
  }
  const done = await putBackIn(insideOf(source, input), services, timeoutMs, traces);
  if (claim?.migrationId === migrationId && done.services.every(({ error }) => error === null))
    await source.noteInClaim(vm, migrationId, { stoppedServices: '' }, signalOf());
  return { ...done, stays: null };
}
