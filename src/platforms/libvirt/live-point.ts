import { VmferryError } from '../../errors.js';
import { parseSizeBytes } from '../../request/units.js';
import type { OpenPoint, PointRequest } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { agentChannel } from './describe.js';
import { diskIdOf, hardDisks } from './describe-disks.js';
import { backupXml, bitmapName, checkpointXml, type LiveDisk } from './live-xml.js';
import { connectPoint, LEASE_SECONDS } from './point.js';
import { freeName, namePrefix, pointFiles, type PointPlan } from './point-files.js';
import { ATTACH, BEGIN } from './point-scripts.js';
import { THAW, WATCH_JOB } from './point-watch.js';
import { runScript } from './run-script.js';
import { survey, type Survey } from './survey.js';
import type { XmlElement } from '../xml.js';

/** A point in time of a running VM: a pull-mode backup job of all its disks, with a checkpoint for the next one. */

/** After this a freeze that nobody ended is ended by the site itself. */
const THAW_SECONDS = 10;
const BITMAP_TROUBLE = /bitmap|checkpoint inconsistent|Checkpoint '.*' for incremental/i;
const TAKEN_NAME = /domain moment \S+ already exists|bitmap already exists/i;
const OTHER_JOB = /another job|backup job.*already|already active|job is already|state change lock/i;

/** Opens the job that an earlier try began; null when it is being ended. */
export async function attachLive(
  at: LibvirtConnection,
  plan: PointPlan,
  signal?: AbortSignal,
): Promise<OpenPoint | null> {
  const { folder } = pointFiles(at, plan.name);
  const args = [at.virsh.uri, plan.uuid, plan.name, at.config.scratchDir, folder];
  const rest = [String(reserveBytes(at)), String(LEASE_SECONDS), WATCH_JOB];
  const { stdout, exitCode } = await runScript(at, ATTACH, [...args, ...rest], `go on with ${plan.name}`, {
    signal,
    okExitCodes: [0, 44],
    timeoutMs: 90_000,
  });
  if (exitCode === 44) return null;
  const [takenAt = '', froze = '', quiesceNote = ''] = stdout.split('\n');
  const note = notes(plan.note, quiesceNote);
  return connectPoint(at, plan, { takenAt, quiesced: froze === 'yes', note, continued: true }, signal);
}

/** Takes a new point; null when another try of the same pass was quicker. */
export async function beginLive(
  at: LibvirtConnection,
  request: PointRequest,
  seen: Survey,
  signal?: AbortSignal,
): Promise<OpenPoint | null> {
  checkScratch(at, seen);
  const freeze = freezeOf(request, seen);
  const { disks, since, note } = liveDisks(request, seen);
  const taken = new Set(seen.checkpoints);
  const reasons = note ? [note] : [];
  // Each round gives up a little of what was wished: a disk's bitmap, all bitmaps, the checkpoint.
  for (let round = 0; round < disks.length + 3; round++) {
    const name = freeName(request.checkpoint, taken);
    const begun = await begin(at, { request, seen, name, disks, since, freeze: freeze.mode, reasons }, signal);
    if (begun.status === 'again') return null;
    if (begun.status === '0') {
      const quiesced = begun.froze === 'yes';
      const why = notes(begun.plan.note, quiesced ? '' : (freeze.note ?? begun.quiesceNote));
      const facts = { takenAt: begun.taken, quiesced, note: why, continued: false };
      return connectPoint(at, begun.plan, facts, signal);
    }
    if (TAKEN_NAME.test(begun.said)) taken.add(name);
    else if (BITMAP_TROUBLE.test(begun.said)) reasons.push(giveUpBitmaps(disks, begun.said));
    else if (OTHER_JOB.test(begun.said) && (await ownJobRuns(at, request, signal))) return null;
    else throw refused(request, begun);
  }
  throw new VmferryError('ToolFailed', `cannot take a point in time of ${request.vm}: ${reasons.join('; ')}`, {
    platform: 'libvirt',
  });
}

/** Another try of ours was quicker, with a point of another name. */
async function ownJobRuns(at: LibvirtConnection, request: PointRequest, signal?: AbortSignal): Promise<boolean> {
  const { job } = await survey(at, request.vm, signal);
  return job?.point?.startsWith(namePrefix(request.owner.migrationId)) ?? false;
}

function reserveBytes(at: LibvirtConnection): number {
  return parseSizeBytes(at.config.scratchReserve) ?? 0;
}

function checkScratch(at: LibvirtConnection, seen: Survey): void {
  const needed = 2 * reserveBytes(at);
  if (seen.scratchFreeBytes >= needed) return;
  const free = Math.round(seen.scratchFreeBytes / 2 ** 20);
  throw new VmferryError(
    'NoSpace',
    `cannot take a point in time: ${free} MiB are free in ${at.config.scratchDir} on ${at.host.name}, ${Math.round(needed / 2 ** 20)} MiB are needed`,
    { platform: 'libvirt', remedy: 'Make room there, or set another scratchDir or scratchReserve for this site.' },
  );
}

interface Freeze {
  mode: 'no' | 'auto' | 'required';
  note: string | null;
}

function freezeOf(request: PointRequest, seen: Survey): Freeze {
  if (request.quiesce === 'never') return { mode: 'no', note: null };
  const channel = agentChannel(seen.domain);
  const connected = channel?.at('target')?.get('state') === 'connected';
  if (connected && !seen.paused) return { mode: request.quiesce, note: null };
  const why = seen.paused ? 'the VM is paused' : channel ? 'the guest agent does not run' : 'there is no guest agent';
  if (request.quiesce === 'required') throw unwilling(request.vm, why);
  return { mode: 'no', note: `not quiesced: ${why}` };
}

function unwilling(vm: string, why: string): VmferryError {
  return new VmferryError('GuestUnwilling', `cannot freeze the file systems of ${vm}: ${why}`, {
    platform: 'libvirt',
    remedy: 'Install and start the QEMU guest agent in the guest, or ask for quiesce: auto.',
  });
}

function liveDisks(
  request: PointRequest,
  seen: Survey,
): { disks: LiveDisk[]; since: string | null; note: string | null } {
  const elements = new Map(hardDisks(seen.domain).map((each) => [diskIdOf(each), each]));
  const reasons: string[] = [];
  const foreign = seen.checkpoints.filter((name) => !name.startsWith(namePrefix(request.owner.migrationId)));
  if (foreign.length > 0)
    reasons.push(`changes are not tracked: the VM has checkpoints of somebody else (${foreign[0]})`);
  const since = request.since !== null && seen.checkpoints.includes(request.since) ? request.since : null;
  if (request.since !== null && since === null)
    reasons.push(`changes are unknown: the checkpoint ${request.since} is gone`);
  const raw: string[] = [];
  const disks = request.disks.map((id): LiveDisk => {
    const element = elements.get(id);
    if (!element) throw missingDisk(request.vm, id);
    const tracked = foreign.length === 0 && element.at('driver')?.get('type') === 'qcow2';
    if (!tracked && foreign.length === 0) raw.push(id);
    return { id, tracked, incremental: tracked && since !== null };
  });
  if (raw.length > 0 && request.since !== null) reasons.push(`changes of ${raw.join(', ')} are unknown: not qcow2`);
  return { disks, since, note: reasons.join('; ') || null };
}

export function missingDisk(vm: string, id: string): VmferryError {
  return new VmferryError('Drift', `cannot take a point in time of ${vm}: it has no disk ${id} any more`, {
    platform: 'libvirt',
    remedy: 'Start a new migration: the assessment does not fit the VM any more.',
  });
}

/** Gives up the bitmap of the disk that virsh names; when it names none that is left, all; in the end the checkpoint. */
function giveUpBitmaps(disks: LiveDisk[], said: string): string {
  const named = /for disk '([^']+)'/.exec(said)?.[1];
  const one = disks.find((disk) => disk.id === named && disk.incremental);
  const incremental = disks.filter((disk) => disk.incremental);
  if (one) one.incremental = false;
  else if (incremental.length > 0) for (const disk of disks) disk.incremental = false;
  else for (const disk of disks) disk.tracked = false;
  const why =
    said
      .trim()
      .split('\n')
      .pop()
      ?.replace(/^error: /, '') ?? '';
  if (one) return `changes of ${one.id} are unknown: ${why}`;
  return incremental.length > 0 ? `changes are unknown: ${why}` : `changes are not tracked from here on: ${why}`;
}

interface Begin {
  request: PointRequest;
  seen: Survey;
  name: string;
  disks: readonly LiveDisk[];
  since: string | null;
  freeze: Freeze['mode'];
  reasons: readonly string[];
}

interface Begun {
  plan: PointPlan;
  status: string;
  froze: string;
  taken: string;
  said: string;
  quiesceNote: string;
}

async function begin(at: LibvirtConnection, wanted: Begin, signal?: AbortSignal): Promise<Begun> {
  const { request, seen, name, disks, since } = wanted;
  const files = pointFiles(at, name);
  const plan: PointPlan = {
    version: 1,
    name,
    kind: 'live',
    uuid: seen.uuid,
    instance: seen.instance ?? '',
    since: request.since,
    note: wanted.reasons.join('; ') || null,
    disks: disks.map(({ id, incremental }) => ({ id, bitmap: incremental ? bitmapName(id) : null, path: null })),
  };
  const all: XmlElement[] = hardDisks(seen.domain);
  const tracked = new Set(disks.filter((disk) => disk.tracked).map((disk) => disk.id));
  const checkpoint = tracked.size > 0 ? checkpointXml(name, all, tracked) : '';
  const args = [
    ...[at.virsh.uri, seen.uuid, name, at.config.scratchDir, files.folder],
    ...[String(reserveBytes(at)), String(LEASE_SECONDS), wanted.freeze, String(THAW_SECONDS)],
    ...[WATCH_JOB, THAW, JSON.stringify(plan), backupXml(files, all, disks, since), checkpoint],
    seen.qemuOwner,
  ];
  const what = `take a point in time of ${request.vm}`;
  const { stdout, stderr } = await runScript(at, BEGIN, args, what, { signal, timeoutMs: 120_000 });
  const line = (key: string) => new RegExp(`^${key} (.*)$`, 'm').exec(stdout)?.[1]?.trim() ?? '';
  return {
    plan,
    status: line('status'),
    froze: line('froze'),
    taken: line('taken'),
    said: stderr,
    quiesceNote: line('unquiesced'),
  };
}

function refused(request: PointRequest, begun: Begun): VmferryError {
  const said = begun.said.trim().replace(/^error: /gm, '') || 'virsh does not say why';
  if (request.quiesce === 'required' && begun.froze !== 'yes') return unwilling(request.vm, begun.quiesceNote || said);
  const what = `cannot take a point in time of ${request.vm}: ${said}`;
  if (OTHER_JOB.test(said)) {
    return new VmferryError('Conflict', what, { platform: 'libvirt', remedy: 'Wait for the other job, or end it.' });
  }
  if (/no space left/i.test(said)) {
    return new VmferryError('NoSpace', what, { platform: 'libvirt', remedy: 'Make room in the scratch folder.' });
  }
  return new VmferryError('ToolFailed', what, { platform: 'libvirt' });
}

function notes(...parts: (string | null)[]): string | null {
  return parts.filter(Boolean).join('; ') || null;
}
