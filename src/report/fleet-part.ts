import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { VmferryError } from '../errors.js';
import type { Finding, Severity } from '../model/finding.js';
import { fleetVm, type FleetVm } from '../model/fleet.js';

/**
 * Assessed VMs on their way through Temporal's history, which holds 2 MiB in one payload: JSON, compressed with gzip, as
 * base64. What does not fit is left out, infos first, and counted.
 */

const MOST_FINDINGS = 60;
const MOST_TEXT = 1_000;
/** Sixty thousand findings of that size, with room. */
const MOST_UNPACKED = 256 * 2 ** 20;
const RANK: Record<Severity, number> = { blocking: 0, warning: 1, info: 2 };

/** @param mostCharacters of the whole part; room for a line of each VM is always taken. */
export function packVms(vms: readonly FleetVm[], mostCharacters: number): string {
  let text = '';
  for (const [findings, characters] of [
    [MOST_FINDINGS, MOST_TEXT],
    [20, 300],
    [6, 150],
    [2, 80],
    [0, 80],
  ] as const) {
    text = gzipSync(JSON.stringify(vms.map((vm) => cut(vm, findings, characters)))).toString('base64');
    if (text.length <= mostCharacters) break;
  }
  return text;
}

/** @throws VmferryError `ToolFailed` for what is no such part. */
export function unpackVms(part: string): FleetVm[] {
  try {
    const text = gunzipSync(Buffer.from(part, 'base64'), { maxOutputLength: MOST_UNPACKED }).toString();
    return z.array(fleetVm).parse(JSON.parse(text));
  } catch (cause) {
    throw new VmferryError('ToolFailed', 'cannot read assessed VMs: a worker of another version wrote them', {
      remedy: 'Use the same version of vmferry everywhere, and assess again.',
      cause,
    });
  }
}

function cut(vm: FleetVm, findings: number, characters: number): FleetVm {
  const sorted = [...vm.findings].sort((one, other) => RANK[one.severity] - RANK[other.severity]);
  const kept = sorted.slice(0, findings).map((each): Finding => ({
    ...each,
    message: brief(each.message, characters),
    remedy: brief(each.remedy, characters),
    ...(each.waivedBy === undefined ? {} : { waivedBy: brief(each.waivedBy, characters) }),
  }));
  const { error } = vm;
  return {
    ...vm,
    macs: vm.macs.slice(0, MOST_FINDINGS),
    findings: kept,
    findingsLeftOut: vm.findingsLeftOut + sorted.length - kept.length,
    error: error && { ...error, message: brief(error.message, characters) },
  };
}

function brief(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, characters - 1)}…` : text;
}
