import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VmferryError } from '../../errors.js';
import type { ReplicaState } from '../platform.js';
import { diskIdOf, hardDisks } from './describe-disks.js';
import { readDomain } from './domain.js';
import { MARK_URI } from './mark.js';
import { commitOverlay } from '../replica/overlays.js';
import { removeReplica } from '../replica/remove.js';
import { overlayFile, type ReplicaDisk } from '../replica/state.js';
import { refreshPools } from './storage.js';
import { ownDomain, type TargetTools } from './target-domain.js';
import { XmlElement } from '../xml.js';

const POLL_MS = 250;

/**
 * After acceptance: every disk becomes the one file in the asked format, while the guest runs (virsh(1), blockcommit) or
 * off. Then the definition loses our mark, and the working folder goes. A crash at any point is cured by calling again:
 * what the definition stands on tells how far it came.
 */
export async function finalize(
  tools: TargetTools,
  vm: string,
  migrationId: string,
  autostart: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const { at, store } = tools;
  const state = await store.read(migrationId, signal);
  const uuid = state
    ? (
        await ownDomain(tools, vm, migrationId, 'target', signal).catch((error: unknown) =>
          unmarked(tools, vm, state, error),
        )
      )?.uuid
    : await at.virsh.uuid(vm, signal);
  if (uuid === undefined) {
    throw new VmferryError('NotFound', `cannot finalize "${vm}" at ${at.site}: it is not there`, {
      platform: 'libvirt',
    });
  }
  if (state) {
    for (const disk of state.disks) await pullUp(tools, vm, state, disk, signal);
    await settleDefinition(tools, vm, state, signal);
  }
  await at.virsh.run(['autostart', '--domain', uuid, ...(autostart ? [] : ['--disable'])], { signal });
  if (!state) return;
  await removeReplica(store, migrationId, { keepDisks: true, signal });
  await refreshPools(at, [...new Set(state.disks.map((disk) => dirname(disk.path)))], signal);
}

/** An earlier try may have taken the mark away already: then the domain stands on our disks. */
async function unmarked(tools: TargetTools, vm: string, state: ReplicaState, error: unknown) {
  const { definition, uuid } = await readDomain(tools.at, vm);
  const files = hardDisks(definition).map((disk) => disk.at('source')?.get('file'));
  if (state.disks.every((disk) => files.includes(disk.path))) return { uuid };
  throw error;
}

/** Merges one disk's overlay and layers into its file. */
async function pullUp(
  tools: TargetTools,
  vm: string,
  state: ReplicaState,
  disk: ReplicaDisk,
  signal?: AbortSignal,
): Promise<void> {
  const { virsh } = tools.at;
  const overlay = overlayFile(disk, 'cutover');
  for (;;) {
    signal?.throwIfAborted();
    const { uuid, live, definition } = await readDomain(tools.at, vm, signal);
    const element = hardDisks(live ?? definition).find((each) =>
      [overlay, disk.path].includes(each.at('source')?.get('file') ?? ''),
    );
    if (!element) {
      throw new VmferryError('Unsafe', `cannot finalize disk ${disk.id} of "${vm}": the VM does not stand on it`, {
        platform: 'libvirt',
      });
    }
    if (element.at('source')?.get('file') === disk.path) return;
    if (!live) {
      await commitOverlay(tools.store, state.owner.migrationId, disk.id, signal);
      return;
    }
    const device = ['--domain', uuid, '--path', diskIdOf(element)];
    const mirror = element.at('mirror');
    if (!mirror) {
      const args = ['blockcommit', ...device, '--base', disk.path, '--active'];
      await virsh.runOr(/already in active block job|block copy still active|domain is not running/i, args, { signal });
    } else if (mirror.get('ready') === 'yes') {
      // Not ready after all, or somebody else's pivot was quicker: looked at again.
      await virsh.runOr(
        /not ready for pivot|no (current )?block job|still in .*state|domain is not running/i,
        ['blockjob', ...device, '--pivot'],
        {
          signal,
          timeoutMs: 120_000,
        },
      );
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** The VM's next start: on its own files, recorded nowhere, no longer marked as ours. */
async function settleDefinition(tools: TargetTools, vm: string, state: ReplicaState, signal?: AbortSignal) {
  const { virsh } = tools.at;
  const { uuid, live, definition } = await readDomain(tools.at, vm, signal);
  const file = new Map(state.disks.map((disk) => [overlayFile(disk, 'cutover'), disk]));
  const settled = rewrite(definition, (element) => {
    if (element.name === 'log' || element.name === 'backingStore' || element.name === 'vmferry:target') return null;
    const disk = element.name === 'disk' ? file.get(element.at('source')?.get('file') ?? '') : undefined;
    if (!disk) return element;
    return rewrite(element, (inner) => {
      if (inner.name === 'source') return new XmlElement('source', new Map([['file', disk.path]]), []);
      if (inner.name !== 'driver') return inner;
      return new XmlElement('driver', new Map([...inner.attributes, ['type', disk.format]]), inner.content);
    });
  });
  await virsh.run(['define', '--validate', '--file', '/dev/stdin'], { input: settled.toString(), signal });
  if (!live) return;
  const metadata = ['metadata', '--domain', uuid, '--uri', MARK_URI, '--remove', '--live'];
  await virsh.runOr(/metadata not found|domain is not running|not present/i, metadata, { signal });
}

/** The element with its children, at any depth, replaced by what `change` gives; null removes one. */
function rewrite(element: XmlElement, change: (child: XmlElement) => XmlElement | null): XmlElement {
  const content = element.content.flatMap((child): (string | XmlElement)[] => {
    if (typeof child === 'string') return [child];
    const changed = change(child);
    if (changed === null) return [];
    return [changed === child ? rewrite(child, change) : changed];
  });
  return new XmlElement(element.name, element.attributes, content);
}
