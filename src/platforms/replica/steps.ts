import type { ReplicaState } from '../platform.js';
import { digestOf, foldersOf, layerFiles, stateText, topOf } from './state.js';
import type { Step } from './script.js';

/** What the replica store asks of the site's script, in steps. */

/** A leaf of the block engine: written whole, it needs no copying on write. */
export const DATA_CLUSTER = String(64 * 1024);
/** Manifests are written in small pieces all over. */
const MANIFEST_CLUSTER = String(4096);

export function filesOf(state: ReplicaState, pass: number): string[] {
  return state.disks.flatMap((disk) => Object.values(layerFiles(disk, pass)));
}

export function dropLayer(state: ReplicaState, pass: number | undefined): Step[] {
  return pass === undefined ? [] : filesOf(state, pass).map((file): Step => ['drop', file]);
}

export function put(state: ReplicaState): Step {
  return ['put', digestOf(stateText(state))];
}

export function makeLayer(state: ReplicaState, pass: number): Step[] {
  return [
    ...state.disks.flatMap((disk): Step[] => {
      const top = topOf(state, disk);
      const files = layerFiles(disk, pass);
      return [
        ['layer', files.data, top.data.path, top.data.format, DATA_CLUSTER],
        ['layer', files.manifest, top.manifest.path, top.manifest.format, MANIFEST_CLUSTER],
        ['sync', files.data],
        ['sync', files.manifest],
      ];
    }),
    ...foldersOf(state).map((folder): Step => ['sync', folder]),
  ];
}

/** Exports of the layer of a pass, or of the replica itself for the seed (null). */
export function exportsOf(state: ReplicaState, pass: number | null): Step[] {
  return state.disks.flatMap((disk, index): Step[] => {
    const seed = { data: disk.path, manifest: disk.manifestPath };
    const files = pass === null ? seed : layerFiles(disk, pass);
    const format = pass === null ? disk.format : 'qcow2';
    return [
      ['export', `${index}d`, disk.id, format, 'writeback', 'rw', files.data],
      ['export', `${index}m`, disk.id, pass === null ? 'raw' : 'qcow2', 'writeback', 'rw', files.manifest],
    ];
  });
}

/** Exports of the last whole pass: data past the page cache and read-only, manifests writable. */
export function readExportsOf(state: ReplicaState): Step[] {
  return state.disks.flatMap((disk, index): Step[] => {
    const { data, manifest } = topOf(state, disk);
    return [
      ['export', `${index}d`, disk.id, data.format, 'none', 'ro', data.path],
      ['export', `${index}m`, disk.id, manifest.format, 'writeback', 'rw', manifest.path],
    ];
  });
}
