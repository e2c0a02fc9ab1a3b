import type { Finding } from '../model/finding.js';
import { cpuRules } from './cpu.js';
import { deviceRules } from './devices.js';
import { diskRules } from './disks.js';
import { exportRules } from './export.js';
import { firmwareRules } from './firmware.js';
import { guestOsRules } from './guest-os.js';
import { hostRules } from './host.js';
import { identityRules } from './identity.js';
import { networkRules } from './network.js';
import { prepareRules } from './prepare.js';
import { rehearsalRules } from './rehearsal.js';
import type { Facts, Rule } from './rule.js';
import { storageRules } from './storage.js';
import { trackingRules } from './tracking.js';

export type { Facts, Rule } from './rule.js';

/** Every rule that knows no platform, in the order in which findings are listed. */
export const RULES: readonly Rule[] = [
  ...networkRules,
  ...identityRules,
  ...storageRules,
  ...diskRules,
  ...trackingRules,
  ...hostRules,
  ...cpuRules,
  ...firmwareRules,
  ...deviceRules,
  ...guestOsRules,
  ...prepareRules,
  ...rehearsalRules,
  ...exportRules,
];

/** What should be known before this VM moves to this target. */
export function check(facts: Facts): Finding[] {
  return RULES.filter(({ boots }) => !boots || facts.target.abilities.boots).flatMap((rule) =>
    rule.check(facts).map((found) => ({ id: rule.id, ...found })),
  );
}
