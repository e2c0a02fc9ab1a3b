import { VmferryError } from '../../errors.js';
import type { TargetSite, VmSite } from '../platform.js';

/** A site that machines only come from. Whoever asks by `abilities` first never gets here. */
export function noTarget(site: string): Omit<TargetSite, keyof VmSite> {
  const refuse = () =>
    Promise.reject(
      new VmferryError('NotSupported', `cannot use ${site} as a target: its platform does not do that yet`),
    );
  return {
    targetFacts: refuse,
    createReplica: refuse,
    whyNotAdopt: refuse,
    adoptReplica: refuse,
    readReplica: () => Promise.resolve(null),
    openReplica: refuse,
    openForVerify: refuse,
    noteVerified: refuse,
    mergeLayers: refuse,
    discardTorn: refuse,
    removeReplica: refuse,
    startRehearsal: refuse,
    endRehearsal: refuse,
    define: refuse,
    setLinks: refuse,
    undefine: refuse,
    finalize: refuse,
    listOwned: () => Promise.resolve([]),
    removeLeft: refuse,
  };
}
