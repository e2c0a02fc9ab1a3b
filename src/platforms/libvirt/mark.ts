import { z } from 'zod';
import type { Owner } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { parseXml, xml, type XmlElement } from '../xml.js';

/** Our mark in a domain's metadata (libvirt.org/formatdomain.html, "General metadata"): whose it is, and what for. */

export const MARK_URI = 'urn:vmferry:target';

export type Role = 'rehearsal' | 'target';

const mark = z.object({
  migrationId: z.string().regex(/^[0-9a-f]{12}$/),
  workflowId: z.string(),
  cluster: z.string(),
  namespace: z.string(),
  role: z.enum(['rehearsal', 'target']),
});
export type Mark = z.infer<typeof mark>;

export function markElement(owner: Owner, role: Role): XmlElement {
  const { migrationId, workflowId, cluster, namespace } = owner;
  const attributes = { 'xmlns:vmferry': MARK_URI, migrationId, workflowId, cluster, namespace, role };
  return xml('vmferry:target', attributes);
}

/** The mark in a domain's definition, or null where it has none of ours. */
export function markOf(domain: XmlElement): Mark | null {
  const elements = domain.at('metadata')?.all() ?? [];
  const element = elements.find((each) => [...each.attributes.values()].includes(MARK_URI));
  const found = mark.safeParse(Object.fromEntries(element?.attributes ?? []));
  return found.success ? found.data : null;
}

/** The mark of a domain, or null where it has none of ours. */
export async function readMark(at: LibvirtConnection, uuid: string, signal?: AbortSignal): Promise<Mark | null> {
  const text = await at.virsh.runOr(
    /metadata not found|requested metadata element is not present|failed to get domain|domain not found/i,
    ['metadata', '--domain', uuid, '--uri', MARK_URI],
    { signal },
  );
  if (!text?.trim()) return null;
  const found = mark.safeParse(Object.fromEntries(parseXml(text, 'a mark').attributes));
  return found.success ? found.data : null;
}
