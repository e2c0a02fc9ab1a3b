import { claim, noteInClaim, readClaim, releaseClaim } from './claim.js';
import { deleteCheckpoints } from './checkpoints.js';
import type { LibvirtConnection } from './connect.js';
import { endPoints } from './end-points.js';
import { currentPoint, openPoint } from './open-point.js';
import { retire } from './retire.js';
import { readSideState } from './side-state.js';
import { sourceFindings } from './source-findings.js';
import { listTraces } from './source-traces.js';
import type { SourcePart } from './vm-site.js';
import { withDisks } from './with-disks.js';

/** A libvirt site as the source of a migration. */
export function createLibvirtSource(at: LibvirtConnection): SourcePart {
  return {
    sourceFindings: (vm, disks, signal) => sourceFindings(at, vm, disks, signal),
    withDisks: (vm, disks, work, signal) => withDisks(at, vm, disks, work, signal),
    claim: (vm, wanted, signal) => claim(at, vm, wanted, signal),
    readClaim: (vm, signal) => readClaim(at, vm, signal),
    noteInClaim: (vm, migrationId, notes, signal) => noteInClaim(at, vm, migrationId, notes, signal),
    releaseClaim: (vm, migrationId, signal) => releaseClaim(at, vm, migrationId, signal),
    openPoint: (request, signal) => openPoint(at, request, signal),
    currentPoint: (vm, migrationId, signal) => currentPoint(at, vm, migrationId, signal),
    endPoints: (vm, migrationId, signal) => endPoints(at, vm, migrationId, signal),
    deleteCheckpoints: (vm, migrationId, keep, signal) => deleteCheckpoints(at, vm, migrationId, keep, signal),
    readSideState: (vm, signal) => readSideState(at, vm, signal),
    listTraces: (signal) => listTraces(at, signal),
    retire: (vm, note, signal) => retire(at, vm, note, signal),
  };
}
