import { tmpdir } from 'node:os';
import type { FilesSiteConfig } from '../../config.js';
import { parseSizeBytes } from '../../request/units.js';
import type { Scratch } from './unpacked.js';

/** A `files` site: nothing is open between two calls. */
export interface FilesConnection {
  readonly site: string;
  readonly config: FilesSiteConfig;
  /** Directory, file or address, for messages and for what is made from it. */
  readonly address: string;
  readonly scratch: Scratch;
}

export function connectFiles(site: string, config: FilesSiteConfig): FilesConnection {
  return {
    site,
    config,
    address: config.path ?? config.url ?? '',
    scratch: {
      dir: config.scratchDir,
      reserveBytes: parseSizeBytes(config.scratchReserve)!,
      ...(config.unpackLimit === undefined ? {} : { limitBytes: parseSizeBytes(config.unpackLimit)! }),
    },
  };
}

/** As a place that is only looked at, without `vmferry.yaml`. */
export function placeOf(place: string, tell?: (line: string) => void): FilesConnection {
  const where = /^https?:\/\//i.test(place) ? { url: place } : { path: place };
  const at = connectFiles(place, {
    platform: 'files',
    ...where,
    redirectHosts: [],
    scratchDir: tmpdir(),
    scratchReserve: '512MiB',
    stateDir: '/var/lib/vmferry',
  });
  return tell === undefined ? at : { ...at, scratch: { ...at.scratch, tell } };
}
