import { VmferryError } from '../../../errors.js';
import { accelerator } from '../../accelerator.js';
import type { GuestDisk } from '../../../model/guest-disks.js';
import type { TargetSite, VmSite } from '../../platform.js';
import { adoptReplica, whyNotAdopt } from '../../replica/adopt.js';
import { convertOverlays } from '../../replica/overlays.js';
import type { FilesConnection } from '../connect.js';
import { targetFacts } from './facts.js';
import { limitsOf } from './limits.js';
import { provePackage } from './prove.js';
import { listOwned, publish, removeLeft, removeUnused, takeBack } from './publish.js';
import { filesTarget } from './tools.js';
import { writePackage } from './write.js';

/** A directory as a target: machines are written as packages, and nothing runs there. */
export function createFilesTarget(at: FilesConnection): Omit<TargetSite, keyof VmSite> {
  const tools = filesTarget(at);
  const { store } = tools;
  const never = () =>
    Promise.reject(
      new VmferryError('NotSupported', `cannot run a VM at ${at.site}: it keeps files`, { platform: 'files' }),
    );
  return {
    targetFacts: (storages, signal) => targetFacts(tools, storages, signal),
    createReplica: (spec, signal) => store.create(spec, signal),
    whyNotAdopt: (kept, spec, signal) => whyNotAdopt(store, kept, spec, signal),
    adoptReplica: (kept, spec, signal) => adoptReplica(store, kept, spec, signal),
    readReplica: (id, signal) => store.read(id, signal),
    openReplica: (id, pass, attempt, signal) => store.open(id, pass, attempt, signal),
    openForVerify: (id, signal) => store.openForVerify(id, signal),
    noteVerified: (id, pass, signal) => store.noteVerified(id, pass, signal),
    mergeLayers: (id, signal) => store.merge(id, signal),
    discardTorn: (id, signal) => store.discardTorn(id, signal),
    removeReplica: (id, signal) => removeUnused(tools, id, signal),
    convert: async (id, role, result, convert, signal) => {
      const { host } = store.options;
      const kind = await accelerator(host, signal);
      const limits = limitsOf({ kind: 'ova', diskFormat: 'vmdk' });
      const work = (disks: readonly GuestDisk[]) => convert({ host, accelerator: kind, limits, disks });
      return convertOverlays(store, id, role, result, work, signal);
    },
    startRehearsal: never,
    // None was ever begun.
    endRehearsal: () => Promise.resolve(),
    define: never,
    setLinks: never,
    packaging: {
      limits: limitsOf,
      write: (vm, sides, plan, work) => writePackage(tools, vm, sides, plan, work),
      prove: (vm, plan, work) => provePackage(tools, vm, plan, work),
    },
    undefine: (id, signal) => takeBack(tools, id, signal),
    finalize: (vm, id, _autostart, signal) => publish(tools, vm, id, signal),
    listOwned: (signal) => listOwned(tools, signal),
    removeLeft: (owner, signal) => removeLeft(tools, owner, signal),
  };
}
