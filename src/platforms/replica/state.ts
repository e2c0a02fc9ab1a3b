import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { VmferryError } from '../../errors.js';
import type { ReplicaSpec, ReplicaState } from '../platform.js';

/** Names of the files of a replica, and what its state file says. */

const MIGRATION_ID = /^[0-9a-f]{12}$/;
const LEAF_BYTES = 64 * 1024;
const DIGEST_BYTES = 32;
const PAGE_BYTES = 4096;

const fileName = z.string().startsWith('/');
const owner = z.strictObject({
  migrationId: z.string().regex(MIGRATION_ID),
  workflowId: z.string(),
  cluster: z.string(),
  namespace: z.string(),
});
const disk = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/),
  sizeBytes: z.number().int().positive(),
  format: z.enum(['qcow2', 'raw']),
  path: fileName,
  manifestPath: fileName,
});
const replicaState = z.strictObject({
  version: z.literal(1),
  owner,
  targetName: z.string(),
  source: z.strictObject({ site: z.string(), vm: z.string(), uuid: z.string() }).nullable().default(null),
  disks: z.array(disk).min(1),
  whole: z.strictObject({ pass: z.number().int(), checkpoint: z.string(), result: z.unknown() }).nullable(),
  torn: z
    .strictObject({ pass: z.number().int(), points: z.array(z.string()), marked: z.string().nullable() })
    .nullable(),
  layers: z.array(
    z.strictObject({
      pass: z.number().int(),
      files: z.record(z.string(), z.strictObject({ data: fileName, manifest: fileName })),
    }),
  ),
  verifiedPass: z.number().int(),
});

/** @throws VmferryError `HostileInput` where the text is no state file of this version. */
export function parseState(text: string, path: string): ReplicaState {
  try {
    return replicaState.parse(JSON.parse(text));
  } catch (cause) {
    throw new VmferryError('HostileInput', `cannot read ${path}: it is not the state of a replica`, {
      remedy: 'Look at the file; if it cannot be mended, remove the replica and seed again.',
      cause,
    });
  }
}

/** The text of the state file: stable for the same state, so that a digest of it tells whether it changed. */
export function stateText(state: ReplicaState): string {
  return `${JSON.stringify(state, null, 1)}\n`;
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The working folder of a migration in a storage directory. @throws VmferryError `Internal` for an id that is none. */
export function workFolder(storageDir: string, migrationId: string): string {
  if (!MIGRATION_ID.test(migrationId)) {
    throw new VmferryError('Internal', `cannot use ${JSON.stringify(migrationId)} as the id of a migration`);
  }
  return join(storageDir, `.vmferry-${migrationId}`);
}

/** A part of a file name made of a name that people chose: nothing in it means anything to a shell, QEMU or libvirt. */
export function fileStem(name: string): string {
  return name.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 100);
}

/** Bytes of the manifest of a disk: a digest of 32 bytes for each leaf of 64 KiB, in whole pages of 4 KiB. */
export function manifestBytes(sizeBytes: number): number {
  const bytes = Math.ceil(sizeBytes / LEAF_BYTES) * DIGEST_BYTES;
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}

/** The state of a replica that holds nothing yet. `storageDirs`: the directory of each disk, by id. */
export function plannedState(spec: ReplicaSpec, storageDirs: ReadonlyMap<string, string>): ReplicaState {
  const { migrationId } = spec.owner;
  const disks = spec.disks.map(({ id, sizeBytes, format }) => {
    const directory = storageDirs.get(id);
    if (directory === undefined) throw new VmferryError('Internal', `cannot plan disk ${id}: it has no storage`);
    return {
      id,
      sizeBytes,
      format,
      path: join(directory, `${fileStem(spec.targetName)}-${id}-${migrationId}.${format}`),
      manifestPath: join(workFolder(directory, migrationId), `base-${id}.manifest`),
    };
  });
  const { owner, targetName, source = null } = spec;
  const state = { version: 1, owner, targetName, source, disks, whole: null, torn: null, layers: [], verifiedPass: -1 };
  return replicaState.parse(state);
}

export type ReplicaDisk = ReplicaState['disks'][number];
export type OverlayRole = 'rehearsal' | 'cutover';

/** Files of one disk in a pass after the seed. */
export function layerFiles(disk: ReplicaDisk, pass: number): { data: string; manifest: string } {
  const folder = dirname(disk.manifestPath);
  return {
    data: join(folder, `data-${pass}-${disk.id}.qcow2`),
    manifest: join(folder, `manifest-${pass}-${disk.id}.qcow2`),
  };
}

/** The copy-on-write file over a whole pass that a guest runs on. */
export function overlayFile(disk: ReplicaDisk, role: OverlayRole): string {
  return join(dirname(disk.manifestPath), `${role}-${disk.id}.qcow2`);
}

/** An overlay while the guest in it is being converted by one try; counts as one that stands on the replica. */
export function unfinishedOverlay(disk: ReplicaDisk, role: OverlayRole, nonce: string): string {
  return overlayFile(disk, role).replace(/qcow2$/, `${nonce}.qcow2`);
}

/** Says that the overlays of a role are converted, and what the conversion returned. */
export function conversionFile(folder: string, role: OverlayRole): string {
  return join(folder, `converted-${role}.json`);
}

/** Every folder that holds working files of the replica. */
export function foldersOf(state: ReplicaState): string[] {
  return [...new Set(state.disks.map((each) => dirname(each.manifestPath)))];
}

/** What the last whole pass of a disk is read through: the topmost sealed layer, else the replica itself. */
export function topOf(state: ReplicaState, disk: ReplicaDisk): { data: Image; manifest: Image } {
  const files = state.layers.at(-1)?.files[disk.id];
  if (files)
    return { data: { path: files.data, format: 'qcow2' }, manifest: { path: files.manifest, format: 'qcow2' } };
  return { data: { path: disk.path, format: disk.format }, manifest: { path: disk.manifestPath, format: 'raw' } };
}

export interface Image {
  path: string;
  format: 'qcow2' | 'raw';
}
