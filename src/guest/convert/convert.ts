import { checkGuest } from '../../checks/index.js';
import type { Conversion, ConversionWish } from '../../model/conversion.js';
import type { Finding } from '../../model/finding.js';
import type { InspectedGuest } from '../../model/guest.js';
import type { VmDescription } from '../../model/vm.js';
import type { GuestDisks } from '../../platforms/platform.js';
import { applianceTree } from '../appliance-tree.js';
import { diskNames } from '../disk-names.js';
import { inspectGuest } from '../inspect/inspect-guest.js';
import { lookInside } from '../inspect/look-inside.js';
import { inAppliance } from '../open-appliance.js';
import { decide, kindOf, missingFor, type Decision } from './decide.js';
import { guestDevices } from './device-names.js';
import { addFallbackLoader } from './fallback-loader.js';
import { convertFully, fullTools, isKnownToFull } from './full.js';
import { convertLightly } from './light.js';
import { mountForWriting } from './mount.js';

/** Makes a guest fit for the devices of its target, by the smallest change that serves; always on overlays. */

export interface ConversionOptions extends ConversionWish {
  /** With the devices that it has at the source. */
  vm: VmDescription;
  /** What the running guest called its network cards. */
  seen: readonly { name: string; mac: string }[];
}

/** What is found of a guest before it is converted, and is no longer so after. */
const MENDED = new Set(['guest.boot-fallback', 'guest.device-names', 'guest.nic-names', 'guest.tools']);

/**
 * Looks into the guest, chooses its devices, and changes it where that is needed and allowed.
 * @throws VmferryError `ConversionFailed` where virt-v2v failed: the overlays are of no use then. Asked again with
 * `most: 'light'` it does without.
 */
export async function convertGuest(
  disks: GuestDisks,
  options: ConversionOptions,
  signal?: AbortSignal,
): Promise<Conversion> {
  const began = performance.now();
  const { vm } = options;
  const looked = await inAppliance(disks, { readOnly: false, signal }, async (appliance) => {
    const guest = await inspectGuest(appliance, vm, signal);
    const { decision, findings } = await judge(disks, options, guest, signal);
    // Of several systems nobody knows which one boots.
    if (guest.os?.kind !== 'linux' || guest.systems > 1 || options.most === 'none') {
      return { guest, decision, changes: [], findings };
    }
    await appliance.command(['umount-all']);
    const loader = await addFallbackLoader(appliance, vm, guest, options);
    const unmounted = await mountForWriting(appliance, guest);
    const tree = applianceTree(appliance);
    const devices = guestDevices(appliance.devices, guest.filesystems, vm, await diskNames(tree));
    const done = await convertLightly(appliance, tree, vm, devices, guest, options);
    const left = findings.filter(({ id }) => !MENDED.has(id));
    const changes = [...loader.changes, ...done.changes];
    return { guest, decision, changes, findings: [...left, ...loader.findings, ...unmounted, ...done.findings] };
  });
  const { guest, changes, findings } = looked;
  let { decision } = looked;
  if (decision.full) {
    const root = guest.filesystems.find(({ mountpoint }) => mountpoint === '/')?.device ?? 'single';
    await convertFully(disks, vm, root, signal);
    changes.push('drivers and initramfs by virt-v2v-in-place');
    if (guest.os?.kind === 'linux') decision = await judgeAgain(disks, options, decision, signal);
    findings.push(...decision.findings);
  }
  return {
    kind: kindOf(decision.full, changes),
    guest: guest.os === null ? null : (guest.os.productName ?? guest.os.distribution ?? guest.os.kind),
    changes,
    findings: unique(findings),
    tookMs: Math.round(performance.now() - began),
    // A guest agent that it has, or gets later, can be spoken with.
    description: { ...decision.vm, guestAgentChannel: true, findings: [] },
  };
}

/** What is decided of a guest that was looked at, before anything in it is changed. */
async function judge(
  { host, limits }: GuestDisks,
  options: ConversionOptions,
  guest: InspectedGuest,
  signal?: AbortSignal,
): Promise<{ decision: Decision; findings: Finding[] }> {
  const tools = await fullTools(host, signal);
  const kind = guest.systems === 1 ? guest.os?.kind : undefined;
  const able =
    kind === 'linux' ? tools.linux && isKnownToFull(guest) : kind === 'windows' && tools.linux && tools.windows;
  const decision = decide(options.vm, limits, options, kind === undefined ? null : guest, able);
  const findings = [...checkGuest(options.vm, guest), ...decision.findings];
  if (kind === 'windows' && !able && missingFor(decision.vm, options.vm, guest) !== null) return { decision, findings };
  if (kind === 'windows' && !able) {
    findings.push({
      id: 'guest.windows-drivers',
      severity: 'warning',
      message: 'The guest is a Windows, and the target has no virtio-win to give it drivers from.',
      remedy: 'Install virtio-win and virt-v2v at the target, or its drivers in the guest before it moves.',
    });
  }
  return { decision, findings };
}

/** Looks whether virt-v2v gave the guest what it lacked; else it gets devices that it has drivers for. */
async function judgeAgain(
  disks: GuestDisks,
  options: ConversionOptions,
  decision: Decision,
  signal?: AbortSignal,
): Promise<Decision> {
  const guest = await lookInside(disks, options.vm, signal);
  if (missingFor(decision.vm, options.vm, guest)?.length === 0) return decision;
  return { ...decide(options.vm, disks.limits, { ...options, most: 'auto' }, guest, false), full: true };
}

function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((each) => [`${each.id}\0${each.message}`, each])).values()];
}
