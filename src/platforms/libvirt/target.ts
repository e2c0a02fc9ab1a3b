import { dirname, join } from 'node:path';
import { openNbd } from '../../blocks/index.js';
import { VmferryError } from '../../errors.js';
import type { GuestDisk } from '../../model/guest-disks.js';
import type { LibvirtConnection } from './connect.js';
import { define, setLinks, undefine } from './define.js';
import { finalize } from './finalize.js';
import { LIMITS } from './limits.js';
import { listOwned } from './owned.js';
import { removeLeft } from './remove-left.js';
import { adoptReplica, cannotAdopt, whyNotAdopt } from '../replica/adopt.js';
import { endRehearsal, startRehearsal } from './rehearsal.js';
import { removeReplica } from '../replica/remove.js';
import { convertOverlays } from '../replica/overlays.js';
import { ReplicaStore } from '../replica/store.js';
import { refreshPools, storageDirectory, storageRegistry } from './storage.js';
import { ownDomain, targetTools } from './target-domain.js';
import { targetFacts } from './target-facts.js';
import type { TargetPart } from './vm-site.js';

/** libvirt as a target. */
export function createLibvirtTarget(at: LibvirtConnection): TargetPart {
  const directories = new Map<string | null, string>();
  const storageDir = async (storage: string | null, signal?: AbortSignal): Promise<string> => {
    const known = directories.get(storage);
    if (known !== undefined) return known;
    const found = await storageDirectory(at, storage, signal);
    directories.set(storage, found);
    return found;
  };
  const runtimeDir = join(at.config.stateDir, 'run');
  const store = new ReplicaStore({
    host: at.host,
    platform: 'libvirt',
    storageDir,
    runtimeDir,
    registry: storageRegistry(at),
    openStore: openNbd,
  });
  const tools = targetTools(at, store);
  /** Whatever its name and mark: a VM may stand on a replica after a half-done finalize. */
  const standsOn = async (id: string, signal?: AbortSignal): Promise<string | null> => {
    const owned = await listOwned(at, signal);
    const used = owned.find((each) => each.kind === 'libvirt-replica' && each.migrationId === id && each.inUse);
    return used?.inUse ?? null;
  };
  return {
    targetFacts: (storages, signal) => targetFacts(tools, storages, signal),
    createReplica: (spec, signal) => store.create(spec, signal),
    whyNotAdopt: (kept, spec, signal) => whyNotAdopt(store, kept, spec, signal),
    adoptReplica: async (kept, spec, signal) => {
      const why = await standsOn(kept, signal);
      if (why !== null) throw cannotAdopt(store, kept, why);
      return adoptReplica(store, kept, spec, signal);
    },
    readReplica: (id, signal) => store.read(id, signal),
    openReplica: (id, pass, attempt, signal) => store.open(id, pass, attempt, signal),
    openForVerify: (id, signal) => store.openForVerify(id, signal),
    noteVerified: (id, pass, signal) => store.noteVerified(id, pass, signal),
    mergeLayers: (id, signal) => store.merge(id, signal),
    discardTorn: (id, signal) => store.discardTorn(id, signal),
    removeReplica: async (id, signal) => {
      const state = await store.read(id, signal);
      // Not known is not "nobody": only a VM of somebody else that has the name is no reason to keep the disks.
      const there =
        state &&
        (await ownDomain(tools, state.targetName, id, 'target', signal).catch((error: unknown) => {
          if (error instanceof VmferryError && error.code === 'Conflict') return null;
          throw error;
        }));
      await endRehearsal(tools, id, signal);
      if (there || (await standsOn(id, signal)) !== null) {
        throw new VmferryError('Unsafe', `cannot remove the replica of ${id}: the VM at ${at.site} stands on it`, {
          platform: 'libvirt',
          remedy: 'Undo the migration first.',
        });
      }
      await removeReplica(store, id, { signal });
      const directories = state?.disks.map((disk) => dirname(disk.path)) ?? [await storageDir(null, signal)];
      await refreshPools(at, [...new Set(directories)], signal);
    },
    convert: async (id, role, result, convert, signal) => {
      const accelerator = await tools.accelerator(signal);
      const work = (disks: readonly GuestDisk[]) => convert({ host: at.host, accelerator, limits: LIMITS, disks });
      return convertOverlays(store, id, role, result, work, signal);
    },
    startRehearsal: (vm, sides, network, signal) => startRehearsal(tools, vm, sides, network, signal),
    endRehearsal: (id, signal) => endRehearsal(tools, id, signal),
    define: (vm, sides, signal) => define(tools, vm, sides, signal),
    setLinks: (vm, up, signal) => setLinks(tools, vm, up, signal),
    packaging: null,
    undefine: (id, signal) => undefine(tools, id, signal),
    finalize: (vm, id, autostart, signal) => finalize(tools, vm, id, autostart, signal),
    listOwned: (signal) => listOwned(at, signal),
    removeLeft: (owner, signal) => removeLeft(tools, owner, signal),
  };
}
