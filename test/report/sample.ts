import type { MigrationStatus, Phase } from '../../src/model/status.js';

const START = Date.parse('2026-11-22T18:00:00Z');

/** An instant so many seconds after the sample's start. */
export function at(seconds: number): string {
  return new Date(START + seconds * 1000).toISOString();
}

const PHASES: [Phase, number, number][] = [
  ['assessing', 0, 4],
  ['preparing', 4, 9],
  ['seeding', 9, 371],
  ['syncing', 371, 402],
  ['rehearsing', 402, 446],
  ['awaiting-approval', 446, 1046],
  ['cutting-over', 1046, 1052.4],
  ['verifying', 1052.4, 1053.1],
  ['converting', 1053.1, 1053.6],
  ['starting', 1053.6, 1054.3],
  ['validating', 1054.3, 1058.2],
  ['awaiting-acceptance', 1058.2, 1120],
  ['finalizing', 1120, 1129],
];

const MIB = 2 ** 20;

/** A finished migration as `getStatus` tells it: two disks, five passes, one rejection, one rehearsal. */
export function sampleStatus(changes: Partial<MigrationStatus> = {}): MigrationStatus {
  const id = '3f9c07d1ab42';
  return {
    version: 1,
    migrationId: id,
    vm: 'web01',
    source: 'dc-old',
    target: 'dc-new',
    targetName: 'web01',
    phase: 'completed',
    work: 'idle',
    waitingFor: null,
    decisions: [],
    outcome: 'completed',
    error: null,
    startedAt: at(0),
    phases: [
      ...PHASES.map(([name, from, to]) => ({ name, startedAt: at(from), endedAt: at(to) })),
      { name: 'completed', startedAt: at(1129), endedAt: null },
    ],
    passes: [
      pass(1, 'seed', 10, 2148 * MIB, 2148 * MIB, 361_000, 0),
      pass(2, 'delta', 372, 96.4 * MIB, 96.4 * MIB, 9_800),
      pass(3, 'delta', 388, 12.1 * MIB, 12.1 * MIB, 2_150),
      pass(4, 'delta', 700, 31.6 * MIB, 31.6 * MIB, 4_020),
      pass(5, 'delta', 1046, 3.2 * MIB, 3.2 * MIB, 880),
      pass(6, 'final', 1051, 448 * 1024, 448 * 1024, 310),
    ],
    passCount: 6,
    converged: true,
    approval: { by: 'mira@ops', at: at(1046), cutoverAt: null, expiresAt: at(1046 + 14 * 86_400) },
    predictedDowntimeMs: 9_400,
    prediction: {
      downtimeMs: 9_400,
      parts: [
        { name: 'guest stops', ms: 2_000, how: 'assumed, as nothing was measured' },
        { name: 'final pass', ms: 900, how: 'changed 10 KiB/s at 12 MiB/s' },
        { name: 'verify', ms: 700, how: 'last verify' },
        { name: 'boot to first probe', ms: 5_800, how: 'as the rehearsal took' },
      ],
      at: at(1040),
    },
    downtimeMs: 8_160,
    disks: [
      { name: 'vda', sizeBytes: 8 * 1024 * MIB, rootDigest: 'a3'.repeat(32), verifiedAt: at(1053) },
      { name: 'vdb', sizeBytes: 20 * 1024 * MIB, rootDigest: '5e0f'.repeat(16), verifiedAt: at(1053) },
    ],
    preparation: [
      {
        ...{ action: 'free-space', subject: 'package-caches', at: at(5), commands: ['apt-get clean'] },
        ...{ result: '412 MiB more are free', freedBytes: 412 * MIB, putBackAt: null, putBack: null },
      },
      {
        ...{ action: 'stop-service', subject: 'nginx', at: at(1051), commands: ['systemctl stop -- nginx'] },
        ...{ result: 'stopped', freedBytes: null, putBackAt: null, putBack: null },
      },
    ],
    findings: [
      {
        id: 'guest.agent-missing',
        severity: 'warning',
        message: 'The guest has no agent: points in time are crash-consistent, not quiesced.',
        remedy: 'Install qemu-guest-agent in the guest.',
      },
      {
        id: 'disk.raw-format',
        severity: 'info',
        message: 'Disk vdb is raw: it cannot say what changed, so each pass reads it whole.',
        remedy: 'Nothing has to be done; passes take longer.',
      },
      {
        id: 'network.renamed',
        severity: 'blocking',
        message: 'Network "prod-7" of the source has no counterpart at dc-new.',
        remedy: 'Map it with networks: {"prod-7": "…"}.',
        waivedBy: 'moves to the lab on purpose',
      },
    ],
    conversions: [
      {
        at: at(1053),
        stage: 'cutover',
        kind: 'light',
        guest: 'Debian GNU/Linux 12 (bookworm)',
        devices: 'disks on virtio; network cards virtio',
        changes: ['/etc/fstab: names of disks', 'network card ens33 held to 00:50:56:aa:bb:cc'],
        findings: [],
        tookMs: 4_200,
      },
    ],
    probes: [
      { probe: 'tcp 192.0.2.7:22', passed: true, required: true, tookMs: 3_100, detail: 'connected' },
      {
        probe: 'guest agent',
        passed: false,
        required: false,
        tookMs: 3_900,
        detail: 'no answer; none at the source either',
      },
    ],
    evidence: [
      {
        kind: 'screenshot',
        phase: 'rehearsing',
        at: at(440),
        title: 'Screen of the rehearsal',
        path: 'evidence/rehearsal.png',
        text: null,
      },
      {
        kind: 'screenshot',
        phase: 'validating',
        at: at(1058),
        title: 'Screen of the target',
        path: 'evidence/target.png',
        text: null,
      },
      {
        kind: 'console',
        phase: 'validating',
        at: at(1058),
        title: 'Console of the target',
        path: null,
        text: '[    0.000000] Linux version 6.1.0-32-cloud-amd64\n[    1.204113] virtio_blk virtio1: [vda] 16777216 512-byte logical blocks\n\u001b[0;32mguest: counter 48213, fsync ok\u001b[0m\n',
      },
    ],
    trail: [
      decision('approveCutover', 'jon@ops', 300, true, 'approved; cutover when synced', 'ok for tonight'),
      decision('rejectCutover', 'mira@ops', 320, true, 'back to syncing', 'not before the backup has run'),
      decision('acceptTarget', 'jon@ops', 500, false, 'not in this phase: awaiting-approval'),
      decision('approveCutover', 'mira@ops', 1046, true, null),
      decision('acceptTarget', 'mira@ops', 1120, true, null, 'shop answers'),
    ],
    events: [
      { at: at(0), text: 'Migration started.' },
      { at: at(446), text: 'Rehearsal passed: tcp 192.0.2.7:22 after 5.8 s.' },
      { at: at(1050.3), text: 'Source seen stopped, autostart off.' },
    ],
    ledger: [
      { kind: 'claim', site: 'dc-old', name: 'web01', createdAt: at(5), removedAt: at(1129) },
      { kind: 'checkpoint', site: 'dc-old', name: `vmferry-${id}-1`, createdAt: at(9), removedAt: at(1129) },
      { kind: 'replica', site: 'dc-new', name: id, createdAt: at(8), removedAt: at(1129) },
      { kind: 'domain', site: 'dc-new', name: 'web01', createdAt: at(1053), removedAt: null },
    ],
    bandwidth: null,
    reportPath: null,
    ...changes,
  };
}

function pass(
  number: number,
  kind: 'seed' | 'delta' | 'final',
  seconds: number,
  bytesRead: number,
  bytesWritten: number,
  durationMs: number,
  resumedFromBytes = 0,
): MigrationStatus['passes'][number] {
  return {
    number,
    kind,
    bytesRead: Math.round(bytesRead),
    bytesWritten: Math.round(bytesWritten),
    durationMs,
    resumedFromBytes,
    startedAt: at(seconds),
    pointInTime: at(seconds),
    quiesced: false,
    tracking: kind === 'seed' ? 'full' : 'bitmap',
    note: null,
  };
}

function decision(
  name: string,
  by: string,
  seconds: number,
  accepted: boolean,
  reason: string | null,
  comment: string | null = null,
): MigrationStatus['trail'][number] {
  return { name, by, at: at(seconds), comment, accepted, reason };
}
