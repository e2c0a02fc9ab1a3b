import type { Finding } from '../model/finding.js';
import type { InspectedGuest } from '../model/guest.js';
import type { VmDescription } from '../model/vm.js';
import { addressRules } from './addresses.js';
import { cpuRules } from './cpu.js';
import { deviceRules } from './devices.js';
import { diskRules } from './disks.js';
import { exportRules } from './export.js';
import { firmwareRules } from './firmware.js';
import { guestBootRules, guestDriverRules } from './guest-boot.js';
import { guestDiskRules, runningGuestRules } from './guest-disks.js';
import { guestOsRules } from './guest-os.js';
import { guestSystemRules } from './guest-system.js';
import { hostRules } from './host.js';
import { identityRules } from './identity.js';
import { networkRules } from './network.js';
import { prepareRules } from './prepare.js';
import { rehearsalRules } from './rehearsal.js';
import type { Facts, Rule } from './rule.js';
import { storageRules } from './storage.js';
import { toolRules } from './tools.js';
import { trackingRules } from './tracking.js';

export type { Facts, Rule } from './rule.js';

const GUEST_RULES = [...guestSystemRules, ...guestDiskRules, ...guestBootRules];

/** Every rule that knows no platform, in the order in which findings are listed. */
export const RULES: readonly Rule[] = [
  ...networkRules,
  ...addressRules,
  ...identityRules,
  ...storageRules,
  ...diskRules,
  ...trackingRules,
  ...hostRules,
  ...toolRules,
  ...cpuRules,
  ...firmwareRules,
  ...deviceRules,
  ...guestOsRules,
  ...GUEST_RULES,
  ...guestDriverRules,
  ...runningGuestRules,
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

/** What was found inside a machine's disks that should be known whatever its target is. */
export function checkGuest(vm: VmDescription, guest: InspectedGuest): Finding[] {
  const found = GUEST_RULES.flatMap((rule) => rule.check({ vm, guest }).map((each) => ({ id: rule.id, ...each })));
  return [...found, ...guest.notes];
}
