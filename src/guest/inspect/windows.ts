import type { InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';

const DRIVERS = { virtioDisk: ['viostor.sys', 'vioscsi.sys'], virtioNet: ['netkvm.sys'] };
/** Larger hives are not loaded into the appliance's memory. */
const MAX_HIVE_BYTES = 256 * 1024 * 1024;

/** Whether Windows sleeps on its disk, and which drivers it has. Its names do not tell small letters from capitals. */
export async function windowsState(
  appliance: Appliance,
  root: string,
  notSeen: string[],
): Promise<NonNullable<InspectedGuest['windows']>> {
  const system = (await appliance.maybe(['inspect-get-windows-systemroot', root]))?.trim() ?? '/Windows';
  const real = async (path: string) => (await appliance.maybe(['case-sensitive-path', path]))?.trim() ?? null;
  const there = async (path: string) => {
    const found = await real(path);
    return found !== null && (await appliance.fileBytes(found)) !== null;
  };
  const drivers = async (names: string[]) =>
    (await Promise.all(names.map((name) => there(`${system}/System32/drivers/${name}`)))).some(Boolean);
  return {
    hibernated: await hibernated(appliance, await real('/hiberfil.sys')),
    fastStartup: await fastStartup(appliance, await real(`${system}/System32/config/SYSTEM`), notSeen),
    virtioDisk: await drivers(DRIVERS.virtioDisk),
    virtioNet: await drivers(DRIVERS.virtioNet),
  };
}

/** The file begins with `hibr` while memory is in it, and is zeroed or says `wake` once it was used (ntfs-3g, volume.c). */
async function hibernated(appliance: Appliance, path: string | null): Promise<boolean> {
  if (path === null || (await appliance.fileBytes(path)) === null) return false;
  return (await appliance.piece(path, 0, 4)).toString('latin1').toLowerCase() === 'hibr';
}

/** `HiberbootEnabled` of the control set in use. */
async function fastStartup(appliance: Appliance, hive: string | null, notSeen: string[]): Promise<boolean | null> {
  const sizeBytes = hive === null ? null : await appliance.fileBytes(hive);
  if (hive === null || sizeBytes === null || sizeBytes > MAX_HIVE_BYTES) return null;
  if ((await appliance.maybe(['hivex-open', hive])) === null) {
    notSeen.push("Windows' registry");
    return null;
  }
  try {
    const ask = async (...words: [string, ...string[]]) => (await appliance.maybe(words))?.trim() ?? '';
    const child = async (node: string, name: string) =>
      node === '' || node === '0' ? '' : ask('hivex-node-get-child', node, name);
    const value = async (node: string, key: string) => {
      const found = node === '' || node === '0' ? '' : await ask('hivex-node-get-value', node, key);
      return found === '' || found === '0'
        ? null
        : await appliance.bytes(['hivex-value-value', found]).catch(() => null);
    };
    const top = await ask('hivex-root');
    const current = await value(await child(top, 'Select'), 'Current');
    const set = current && current.length >= 4 ? current.readUInt32LE(0) : 1;
    let node = await child(top, `ControlSet${String(set).padStart(3, '0')}`);
    for (const name of ['Control', 'Session Manager', 'Power']) node = await child(node, name);
    const enabled = await value(node, 'HiberbootEnabled');
    return enabled && enabled.length >= 4 ? enabled.readUInt32LE(0) === 1 : null;
  } finally {
    await appliance.maybe(['hivex-close']);
  }
}
