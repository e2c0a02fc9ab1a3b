import { parseXml, type XmlElement } from '../xml.js';
import { hostile } from './foreign-values.js';

/**
 * An OVF envelope as a tree of local names. Prefixes differ from tool to tool, and versions differ in the namespaces'
 * addresses, so neither counts, but for one case: two attributes of one local name (`ovf:id` and `ovirt:id`).
 */
export class OvfNode {
  constructor(
    /** Without prefix. Of `<Section xsi:type="ovf:DiskSection_Type">` (OVF 0.9, oVirt) it is `DiskSection`. */
    readonly name: string,
    private readonly attributes: ReadonlyMap<string, string>,
    readonly children: readonly OvfNode[],
    /** Trimmed. */
    readonly text: string,
  ) {}

  /** An attribute's value, trimmed; null where there is none, or an empty one. */
  get(attribute: string): string | null {
    return this.attributes.get(attribute)?.trim() || null;
  }

  /** Children of these names, in order. */
  all(...names: string[]): OvfNode[] {
    return this.children.filter((each) => names.includes(each.name));
  }

  first(...names: string[]): OvfNode | null {
    return this.children.find((each) => names.includes(each.name)) ?? null;
  }

  /** The text of the first child of one of these names; null where there is none, or an empty one. */
  child(...names: string[]): string | null {
    return this.first(...names)?.text || null;
  }

  /** At any depth, in order. */
  within(name: string): OvfNode[] {
    return this.children.flatMap((each) => [...(each.name === name ? [each] : []), ...each.within(name)]);
  }
}

/** @throws VmferryError `HostileInput` for what is no XML, has a document type, or is no envelope. */
export function parseEnvelope(text: string, what: string): OvfNode {
  const root = nodeOf(parseXml(text.replace(/^\ufeff/, ''), what), new Spaces());
  if (root.name !== 'Envelope') throw hostile(what, `it is no OVF: its root is not "Envelope"`);
  return root;
}

function nodeOf(element: XmlElement, spaces: Spaces): OvfNode {
  const declared = spaces.enter(element);
  const attributes = new Map<string, string>();
  for (const [key, value] of element.attributes) {
    const [prefix, name] = parts(key);
    if (prefix === 'xmlns' || key === 'xmlns') continue;
    // The attributes of OVF itself win over a tool's own of the same name.
    if (spaces.isOvf(prefix) || !attributes.has(name)) attributes.set(name, value);
  }
  const children = element.all().map((each) => nodeOf(each, spaces));
  spaces.leave(declared);
  return new OvfNode(nameOf(element, attributes), attributes, children, element.text() ?? '');
}

/** Whether each prefix that holds in an element stands for OVF's own namespace. */
class Spaces {
  /** Of each prefix what it was declared as, by the elements around, the innermost last. */
  readonly #declared = new Map<string, boolean[]>();

  /** @returns the prefixes that the element declares. */
  enter(element: XmlElement): string[] {
    const prefixes: string[] = [];
    for (const [key, value] of element.attributes) {
      if (!key.startsWith('xmlns:')) continue;
      const prefix = key.slice('xmlns:'.length);
      const own = /\/ovf\/(\d\/)?envelope/i.test(value) && !/citrix/i.test(value);
      const around = this.#declared.get(prefix);
      if (around) around.push(own);
      else this.#declared.set(prefix, [own]);
      prefixes.push(prefix);
    }
    return prefixes;
  }

  leave(prefixes: readonly string[]): void {
    for (const prefix of prefixes) this.#declared.get(prefix)?.pop();
  }

  isOvf(prefix: string): boolean {
    return this.#declared.get(prefix)?.at(-1) ?? false;
  }
}

/** DSP0243 0.9 names sections and contents by their XML Schema type. */
function nameOf(element: XmlElement, attributes: ReadonlyMap<string, string>): string {
  const [, name] = parts(element.name);
  const type = attributes.get('type');
  if ((name !== 'Section' && name !== 'Content') || type === undefined) return name;
  return parts(type.trim())[1].replace(/_Type$/, '');
}

function parts(name: string): [string, string] {
  const colon = name.indexOf(':');
  return colon < 0 ? ['', name] : [name.slice(0, colon), name.slice(colon + 1)];
}
