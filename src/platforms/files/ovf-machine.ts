import type { Finding } from '../../model/finding.js';
import type { VmDescription } from '../../model/vm.js';

/** What stands outside the items of hardware, in each tool's own words. */
export interface MachineFacts {
  uuid: string | null;
  firmware: 'bios' | 'uefi' | null;
  secureBoot: boolean;
  tpm: { version: string } | null;
  coresPerSocket: number | null;
  cpuModel: string | null;
  guestOs: string | null;
  machine: string | null;
  clock: VmDescription['clock'] | null;
  display: string | null;
  /** `undefined` where nothing is said beside the items. */
  sound: string | null | undefined;
  serialPorts: number | null;
  /** VirtualBox has addresses only there; in the order of the items. */
  adapters: readonly { mac: string | null; model: string | null }[];
  /** Drives for CDs and floppies; VirtualBox has empty ones only there. Null where nothing is said beside the items. */
  removable: VmDescription['removable'] | null;
  /** Settings that are not carried over. */
  left: string[];
  findings: Finding[];
}

export function nothingSaid(): MachineFacts {
  return {
    ...{
      uuid: null,
      firmware: null,
      secureBoot: false,
      tpm: null,
      coresPerSocket: null,
      cpuModel: null,
      guestOs: null,
    },
    ...{
      machine: null,
      clock: null,
      display: null,
      sound: undefined,
      serialPorts: null,
      adapters: [],
      removable: null,
    },
    ...{ left: [], findings: [] },
  };
}

/** Facts of several tools: what an earlier one says counts. */
export function merged(all: readonly MachineFacts[]): MachineFacts {
  const first = <T>(pick: (facts: MachineFacts) => T | null): T | null =>
    all.map(pick).find((each) => each !== null) ?? null;
  return {
    uuid: first((each) => each.uuid),
    firmware: first((each) => each.firmware),
    secureBoot: all.some((each) => each.secureBoot),
    tpm: first((each) => each.tpm),
    coresPerSocket: first((each) => each.coresPerSocket),
    cpuModel: first((each) => each.cpuModel),
    guestOs: first((each) => each.guestOs),
    machine: first((each) => each.machine),
    clock: first((each) => each.clock),
    display: first((each) => each.display),
    sound: all.map((each) => each.sound).find((each) => each !== undefined),
    serialPorts: first((each) => each.serialPorts),
    adapters: all.find((each) => each.adapters.length > 0)?.adapters ?? [],
    removable: first((each) => each.removable),
    left: all.flatMap((each) => each.left),
    findings: all.flatMap((each) => each.findings),
  };
}
