import { posix } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { Finding } from '../../model/finding.js';
import type { InspectedGuest } from '../../model/guest.js';
import type { VmDescription } from '../../model/vm.js';
import type { Appliance } from '../appliance.js';
import { partitionsOf } from '../inspect/partitions.js';
import { systemPartitions, type SystemPartition } from '../inspect/system-partition.js';

/** What is copied, from and to; the one that firmware starts goes last, so that it is only there with what it needs. */
type Copies = readonly { from: string; to: string }[];

/** As distributions name their folder below \EFI, where that is not libguestfs' name of them. */
const FOLDERS: Record<string, string> = { rhel: 'redhat', archlinux: 'arch', alpinelinux: 'alpine' };

/**
 * Puts the guest's boot loader where firmware without variables looks, as `grub-install --force-extra-removable` and
 * `bootctl install` do. Only where nothing is there and it is plain which loader the guest starts by. shim's fallback program
 * (fbx64.efi) is left out: with a TPM it resets the machine once it has made boot entries, and shim starts the GRUB beside it
 * without. Ask while nothing is mounted; nothing is mounted after.
 */
export async function addFallbackLoader(
  appliance: Appliance,
  vm: Pick<VmDescription, 'firmware' | 'nvramPath'>,
  { boots, os }: Pick<InspectedGuest, 'boots' | 'os'>,
  { onlyDevices = false }: { onlyDevices?: boolean },
): Promise<{ changes: string[]; findings: Finding[] }> {
  // What is written for other platforms brings no variables there.
  const isNew = vm.nvramPath === null || onlyDevices;
  if (vm.firmware !== 'uefi' || !isNew || !boots.uefi || boots.uefiFallback !== false) return NOTHING;
  const { found } = await systemPartitions(appliance, await partitionsOf(appliance));
  const chosen = chooseLoader(found, os?.distribution ?? null);
  if (typeof chosen === 'string') return { changes: [], findings: [missing(chosen)] };
  const { device, folder, copies } = chosen;
  const failed = await copy(appliance, device, copies);
  if (failed !== null) return { changes: [], findings: [missing(failed)] };
  const names = copies.map(({ to }) => shown(to)).join(', ');
  return { changes: [`${names}: copied from ${shown(folder)}`], findings: [copied(folder)] };
}

const NOTHING = { changes: [], findings: [] };

/** @returns why not, where it is not plain. */
export function chooseLoader(
  partitions: readonly SystemPartition[],
  distribution: string | null,
): { device: string; folder: string; copies: Copies } | string {
  const all = partitions.flatMap((partition) =>
    partition.folders.flatMap(({ path, files }) => {
      const names = isVendors(path) && !isOf(path, 'boot') ? loaderIn(files) : null;
      return names === null ? [] : [{ partition, path, names }];
    }),
  );
  const own = all.filter(({ path }) => isOf(path, FOLDERS[distribution ?? ''] ?? distribution ?? ''));
  const fit = all.length > 1 ? own : all;
  const [one] = fit;
  if (one === undefined || fit.length > 1) {
    const places = all.map(({ path }) => shown(path)).join(', ');
    return all.length === 0 ? 'no boot loader is known among those on its disks' : `it has several: ${places}`;
  }
  const { partition, path, names } = one;
  const boot = partition.folders.find((each) => isOf(each.path, 'boot'));
  const to = boot?.path ?? posix.join(posix.dirname(path), 'BOOT');
  const copies = names.map(({ name, as }) => ({ from: posix.join(path, name), to: posix.join(to, as) }));
  const there = new Set(boot?.files.map((name) => name.toLowerCase()));
  const taken = [...names.map(({ as }) => as), 'fbx64.efi', 'fallback.efi'].find((name) =>
    there.has(name.toLowerCase()),
  );
  if (taken !== undefined) return `${shown(posix.join(to, taken))} is there already`;
  return { device: partition.device, folder: path, copies };
}

const FIRST = 'BOOTX64.EFI';
/**
 * shim with what it needs beside it, by the names that Debian and Red Hat have for these, and SUSE. SUSE's GRUB reads the
 * grub.cfg beside it; its own shim-install lays the same four out so, where fallback.efi is of no use.
 */
const SHIMS = [
  { shim: 'shimx64.efi', needs: ['grubx64.efi'], keys: 'mmx64.efi' },
  { shim: 'shim.efi', needs: ['grub.efi', 'grub.cfg'], keys: 'MokManager.efi' },
] as const;

/** shim with its GRUB, GRUB alone, or systemd-boot. Null for what is not known to start from another folder. */
function loaderIn(files: readonly string[]): { name: string; as: string }[] | null {
  const named = (wanted: string) => files.find((each) => each.toLowerCase() === wanted.toLowerCase());
  const kept = (as: string) => {
    const name = named(as);
    return name === undefined ? null : { name, as };
  };
  for (const { shim, needs, keys } of SHIMS) {
    const [first, beside] = [named(shim), needs.map(kept)];
    if (first === undefined || beside.includes(null)) continue;
    return [...beside, kept(keys), { name: first, as: FIRST }].filter((each) => each !== null);
  }
  if (named('shimx64.efi') !== undefined) return null;
  const name = named('grubx64.efi') ?? named('systemd-bootx64.efi');
  return name === undefined ? null : [{ name, as: FIRST }];
}

/** @returns why it failed, which leaves nothing behind. */
async function copy(appliance: Appliance, device: string, copies: Copies): Promise<string | null> {
  try {
    await appliance.command(['mount', device, '/']);
    await appliance.command(['mkdir-p', posix.dirname(copies[0]?.to ?? '/')]);
    for (const { from, to } of copies) await appliance.command(['cp', from, to]);
    return null;
  } catch (error) {
    if (!(error instanceof VmferryError) || error.code !== 'GuestUnreadable') throw error;
    for (const { to } of copies) await appliance.maybe(['rm-f', to]);
    return error.message;
  } finally {
    await appliance.maybe(['umount-all']);
  }
}

/** A folder right below \EFI. */
function isVendors(path: string): boolean {
  return /^\/[^/]+\/[^/]+$/.test(path);
}

function isOf(path: string, folder: string): boolean {
  return isVendors(path) && posix.basename(path).toLowerCase() === folder;
}

function shown(path: string): string {
  return path.replaceAll('/', '\\');
}

function missing(why: string): Finding {
  return {
    id: 'guest.boot-fallback',
    severity: 'warning',
    message: `The VM gets new UEFI variables, and no boot loader was put at \\EFI\\BOOT\\BOOTX64.EFI, where it is looked for without them: ${why}.`,
    remedy: 'Put it there in the guest before it moves, or choose it in the menu of the firmware at the target.',
  };
}

function copied(folder: string): Finding {
  return {
    id: 'guest.boot-fallback',
    severity: 'info',
    message: `The guest starts by a copy of its boot loader in \\EFI\\BOOT, as its new UEFI variables name none; what updates ${shown(folder)} does not update the copy.`,
    remedy:
      'Have the boot loader installed once more in the guest after it moved (grub-install, bootctl): it makes its boot entry anew.',
  };
}
