import type { Abilities } from '../model/abilities.js';
import type { CopyRate } from '../model/estimate.js';
import type { Found, Severity } from '../model/finding.js';
import type { GuestReadiness } from '../model/guest-inside.js';
import type { PackagePlan } from '../model/package.js';
import type { InspectedGuest } from '../model/guest.js';
import type { PlannedDisk, TargetFacts } from '../model/target.js';
import type { SiteTools } from '../model/tools.js';
import type { GuestFacts, VmDescription, VmDisk } from '../model/vm.js';
import type { MigrateVmRequest } from '../request/migrate-vm.js';

/**
 * What a rule may know. All of it was read before: rules are pure functions, so that a thousand machines are assessed in
 * a moment and a finding can be had again from the same facts.
 */
export interface Facts {
  /** Null where nothing has begun; a rehearsal of this migration is nobody else's VM. */
  migrationId: string | null;
  source: { abilities: Abilities; running: boolean };
  /** As wished for the target: without the disks left behind, with the CPUs and the memory asked for. */
  vm: VmDescription;
  /** What was found inside its disks; null where nobody looked. */
  guest?: InspectedGuest | null;
  /** The VM with the source's devices, where it is to get others at the target and the guest is looked at for it. Default null. */
  devicesFrom?: VmDescription | null;
  /** What the running guest answered; null where it does not run, or nobody asked it. Default null. */
  seen?: GuestFacts | null;
  targetName: string;
  /** The inside of the running guest, looked at where its preparation is asked for; else null. */
  readiness: GuestReadiness | null;
  /** Source network -> target network. */
  networks: Readonly<Record<string, string>>;
  disks: readonly PlannedDisk[];
  target: TargetFacts & { abilities: Abilities };
  /** What works on VMs at both sites; null where nobody asked. Default null. */
  tools?: { source: SiteTools; target: SiteTools } | null;
  /** What copying is reckoned with. */
  rate: CopyRate;
  /** What is written at a target that boots nothing; null at one that does. */
  package: PackagePlan | null;
  request: Pick<MigrateVmRequest, 'sync' | 'rehearsal' | 'cutover' | 'probes' | 'prepareGuest' | 'conversion'>;
}

export interface Rule {
  /** `<thing>.<what>`; never changed, since requests waive findings by it. */
  id: string;
  /** What it finds, for the table in docs/checks.md. */
  title: string;
  /** The gravest that it finds. */
  severity: Severity;
  /** Where it comes from: a document's section, or a fact that was tried. */
  basis: string;
  /** Only asked of targets that run what comes. */
  boots?: true;
  check(facts: Facts): Found[];
}

/** A rule that judges the guest by itself, whatever the target; what is asked for may say how grave that is. */
export interface GuestRule extends Rule {
  check(facts: Pick<Facts, 'vm' | 'guest'> & Partial<Pick<Facts, 'request' | 'package'>>): Found[];
}

/** The disks that are copied, as described and as planned. */
export function copiedDisks({ vm, disks }: Facts): { disk: VmDisk; planned: PlannedDisk }[] {
  return disks.flatMap((planned) => {
    const disk = vm.disks.find(({ id }) => id === planned.id);
    return disk ? [{ disk, planned }] : [];
  });
}

/** The target's network for one of the source's, or null. Names come from outside: only the map's own keys count. */
export function networkAt({ networks }: Facts, source: string): string | null {
  return Object.hasOwn(networks, source) ? (networks[source] ?? null) : null;
}

/** Values that stand in a list more than once, each once. */
export function repeated(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}

/** A text from outside as it stands in a sentence. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}
