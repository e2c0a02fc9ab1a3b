import type { LibvirtConnection } from './connect.js';
import { parseXml, xml } from '../xml.js';

/** Marks that vmferry leaves on a domain: one element of metadata for each namespace, seen with `virsh dumpxml`. */

const NONE = /metadata element is not present|metadata not found/i;
const PREFIX = 'vmferry';

/** The mark's attributes, or null where there is none. */
export async function readMark(
  at: LibvirtConnection,
  uuid: string,
  uri: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string> | null> {
  const text = await at.virsh.runOr(NONE, ['metadata', '--domain', uuid, '--uri', uri, '--config'], { signal });
  if (text === null || text.trim() === '') return null;
  return parseXml(text, 'the mark on a VM').attributes;
}

export async function setMark(
  at: LibvirtConnection,
  uuid: string,
  uri: string,
  name: string,
  attributes: Record<string, string>,
  signal?: AbortSignal,
): Promise<void> {
  const element = xml(name, attributes).toString();
  for (const where of await places(at, uuid, signal)) {
    await at.virsh.run(['metadata', '--domain', uuid, '--uri', uri, '--key', PREFIX, `--set=${element}`, where], {
      signal,
    });
  }
}

export async function removeMark(
  at: LibvirtConnection,
  uuid: string,
  uri: string,
  signal?: AbortSignal,
): Promise<void> {
  for (const where of await places(at, uuid, signal)) {
    await at.virsh.runOr(NONE, ['metadata', '--domain', uuid, '--uri', uri, '--remove', where], { signal });
  }
}

/** The saved definition, and the running one as well. */
async function places(at: LibvirtConnection, uuid: string, signal?: AbortSignal): Promise<string[]> {
  const state = (await at.virsh.run(['domstate', '--domain', uuid], { signal })).trim();
  return state === 'shut off' || state === 'crashed' ? ['--config'] : ['--config', '--live'];
}
