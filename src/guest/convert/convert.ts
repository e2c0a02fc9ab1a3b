import { VmferryError } from '../../errors.js';
import type { Conversion, ConversionWish } from '../../model/conversion.js';
import type { Finding } from '../../model/finding.js';
import type { VmDescription } from '../../model/vm.js';
import type { GuestDisks } from '../../platforms/platform.js';
import { openAppliance, type Appliance } from '../appliance.js';
import { decide, kindOf, missingFor, type Decision, type Drivers } from './decide.js';
import { convertFully, fullTools } from './full.js';
import { convertLightly } from './light.js';
import { applianceTree, driversOf, lookInside, mountAll, nameOf, type Inside } from './look.js';

/** Makes a guest fit for the devices of its target, by the smallest change that serves; always on overlays. */

export interface ConversionOptions extends ConversionWish {
  /** With the devices that it has at the source. */
  vm: VmDescription;
  /** What the running guest called its network cards. */
  seen: readonly { name: string; mac: string }[];
}

/**
 * Looks into the guest, chooses its devices, and changes it where that is needed and allowed.
 * @throws VmferryError `ConversionFailed` where virt-v2v failed: the overlays are of no use then. Asked again with
 * `most: 'light'` it does without.
 */
export async function convertGuest(
  guest: GuestDisks,
  options: ConversionOptions,
  signal?: AbortSignal,
): Promise<Conversion> {
  const began = performance.now();
  const { vm } = options;
  const looked = await inAppliance(guest, signal, async (appliance) => {
    const inside = await lookInside(appliance);
    if (inside === null) return nobodyKnows(guest, options);
    if (inside.kind !== 'linux') return only(guest, options, inside, null, signal);
    await mountAll(appliance, inside);
    const tree = applianceTree(appliance);
    inside.name = await nameOf(tree, inside);
    const drivers = await driversOf(appliance, tree);
    const found = await only(guest, options, inside, drivers, signal);
    if (options.most === 'none') return found;
    const { changes, findings } = await convertLightly(appliance, tree, vm, inside.devices, options.seen);
    return { ...found, changes, findings: [...found.findings, ...findings] };
  });
  let { decision } = looked;
  const { inside, changes, findings } = looked;
  if (decision.full && inside) {
    await convertFully(guest, vm, inside.root, signal);
    changes.push('converted by virt-v2v-in-place');
    if (inside.kind === 'linux') decision = await again(guest, options, decision, findings, signal);
  }
  return {
    kind: kindOf(decision.full, changes),
    guest: inside?.name ?? null,
    changes,
    findings,
    tookMs: Math.round(performance.now() - began),
    // A guest agent that it has, or gets later, can be spoken with.
    description: { ...decision.vm, guestAgentChannel: true, findings: [] },
  };
}

interface Looked {
  inside: Inside | null;
  decision: Decision;
  changes: string[];
  findings: Finding[];
}

async function inAppliance<T>(
  { host, accelerator, disks }: GuestDisks,
  signal: AbortSignal | undefined,
  work: (appliance: Appliance) => Promise<T>,
): Promise<T> {
  const appliance = await openAppliance(host, disks, { readOnly: false, tcg: accelerator === 'tcg', signal });
  let result: T;
  try {
    result = await work(appliance);
  } catch (error) {
    await appliance.close().catch(() => undefined);
    throw error;
  }
  await appliance.close();
  return result;
}

/** What is decided of a guest that was looked at, before anything in it is changed. */
async function only(
  { host, limits }: GuestDisks,
  options: ConversionOptions,
  inside: Inside,
  drivers: Drivers | null,
  signal?: AbortSignal,
): Promise<Looked> {
  const tools = await fullTools(host, signal);
  const able = inside.kind === 'linux' ? tools.linux : inside.kind === 'windows' && tools.linux && tools.windows;
  const decision = decide(options.vm, limits, options, drivers, able);
  const findings = [...decision.findings];
  if (inside.kind === 'windows' && !able) {
    findings.push({
      id: 'guest.windows-drivers',
      severity: 'warning',
      message: `${inside.name} may have no drivers for virtio, and the target has no virtio-win to give it some.`,
      remedy: 'Install virtio-win (and virt-v2v) at the target, or its drivers in the guest before it moves.',
    });
  }
  return { inside, decision, changes: [], findings };
}

function nobodyKnows({ limits }: GuestDisks, options: ConversionOptions): Looked {
  const decision = decide(options.vm, limits, options, null, false);
  const finding: Finding = {
    id: 'guest.not-found',
    severity: 'warning',
    message: 'No operating system was found on the disks, or several: the guest is left as it is.',
    remedy: 'Encrypted disks cannot be looked into. See in the rehearsal that it boots and is found by its address.',
  };
  return { inside: null, decision, changes: [], findings: [finding, ...decision.findings] };
}

/** Looks whether virt-v2v gave the guest what it lacked. */
async function again(
  guest: GuestDisks,
  options: ConversionOptions,
  decision: Decision,
  findings: Finding[],
  signal?: AbortSignal,
): Promise<Decision> {
  const drivers = await inAppliance(guest, signal, async (appliance) => {
    const inside = await lookInside(appliance);
    if (!inside) return null;
    await mountAll(appliance, inside);
    return driversOf(appliance, applianceTree(appliance));
  });
  if (missingFor(decision.vm, drivers)?.length === 0) return decision;
  const other = decide(options.vm, guest.limits, options, drivers, false);
  findings.push(...other.findings);
  if (other.findings.length === 0) {
    throw new VmferryError('Internal', 'cannot say which drivers the converted guest has');
  }
  return { ...other, full: true };
}
