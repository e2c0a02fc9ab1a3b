import { FLEET_RULES } from '../src/checks/fleet-rules.js';
import { RULES } from '../src/checks/index.js';
import type { Finding } from '../src/model/finding.js';
import { GUEST_FINDINGS } from '../src/guest/finding-kinds.js';
import { FILES_FINDINGS } from '../src/platforms/files/finding-kinds.js';
import { LIBVIRT_FINDINGS } from '../src/platforms/libvirt/finding-kinds.js';

const KNOWN = new Set([
  ...[...RULES, ...FLEET_RULES].map(({ id }) => id),
  ...[LIBVIRT_FINDINGS, FILES_FINDINGS, GUEST_FINDINGS].flatMap((kinds) => Object.keys(kinds)),
  'vm.claimed',
]);

/** Waivers that can waive nothing, as no check has their name: a slip, whose finding would stop the move at night. */
export function unknownWaivers(waive: Readonly<Record<string, string>>, findings: readonly Finding[]): Finding[] {
  return Object.keys(waive)
    .filter((id) => !KNOWN.has(id) && findings.every((each) => each.id !== id))
    .map((id) => ({
      id: 'waiver.unknown',
      severity: 'warning',
      message: `The request waives ${JSON.stringify(id)}, and no check has that name.`,
      remedy: 'Write it as the finding that it is meant for is called; docs/checks.md lists them all.',
    }));
}
