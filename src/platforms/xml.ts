import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { VmferryError } from '../errors.js';

/** Reading and writing XML. What is read comes from outside: no document type, no entities of its own. */

/** More than any descriptor needs; keeps a hostile one from filling the memory. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 64;
/** More than a package of a hundred machines has; each element or attribute takes the memory of some hundred characters. */
const MAX_ELEMENTS = 100_000;
const MAX_ATTRIBUTES = 100_000;
/** Characters of what is wrong, which may quote the document. */
const MOST_REASON = 300;

type Content = string | XmlElement;

/** One element, with the few ways of asking that a reader of domain XML needs. */
export class XmlElement {
  constructor(
    /** With its prefix, as written. */
    readonly name: string,
    readonly attributes: ReadonlyMap<string, string>,
    readonly content: readonly Content[],
  ) {}

  /** An attribute's value, or null. */
  get(attribute: string): string | null {
    return this.attributes.get(attribute) ?? null;
  }

  /** Child elements, all or those of one name, in order. */
  all(name?: string): XmlElement[] {
    return this.content.filter(
      (each) => typeof each !== 'string' && (name === undefined || each.name === name),
    ) as XmlElement[];
  }

  /** The first element at a path such as `devices/emulator`, or null. */
  at(path: string): XmlElement | null {
    const find = (here: XmlElement | undefined, name: string) => here?.all(name)[0];
    return path.split('/').reduce<XmlElement | undefined>(find, this) ?? null;
  }

  /** The text of the element at `path` (of this one by default), trimmed; null where there is no such element. */
  text(path?: string): string | null {
    const element = path === undefined ? this : this.at(path);
    return element
      ? element.content
          .filter((each) => typeof each === 'string')
          .join('')
          .trim()
      : null;
  }

  toString(): string {
    const attributes = [...this.attributes].map(([key, value]) => ` ${key}="${escapeXml(value)}"`).join('');
    const inner = this.content.map((each) => (typeof each === 'string' ? escapeXml(each) : each.toString())).join('');
    return inner ? `<${this.name}${attributes}>${inner}</${this.name}>` : `<${this.name}${attributes}/>`;
  }
}

/** Makes an element. Attributes that are null or undefined, and children that are null or false, are left out. */
export function xml(
  name: string,
  attributes: Record<string, string | number | null | undefined> = {},
  ...content: readonly (Content | number | null | undefined | false)[]
): XmlElement {
  const given = Object.entries(attributes).filter((each) => each[1] !== null && each[1] !== undefined);
  return new XmlElement(
    name,
    new Map(given.map(([key, value]) => [key, String(value)])),
    content.flatMap((each) =>
      each === null || each === undefined || each === false ? [] : [typeof each === 'number' ? String(each) : each],
    ),
  );
}

/** Text for an element or an attribute in double quotes. Characters that XML 1.0 cannot hold are refused. */
export function escapeXml(text: string): string {
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text)) {
    throw new VmferryError(
      'InvalidRequest',
      `cannot write ${JSON.stringify(text)} as XML: it holds a control character`,
    );
  }
  return text.replace(/[&<>"'\n\r\t]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  cdataPropName: '#cdata',
  processEntities: false,
  maxNestedTags: MAX_DEPTH,
});

/** The root element of a document. @throws VmferryError `HostileInput`. */
export function parseXml(text: string, what = 'XML'): XmlElement {
  if (text.length > MAX_BYTES) throw hostile(what, `it is longer than ${MAX_BYTES} bytes`);
  if (/<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)/i.test(text)) throw hostile(what, 'it declares a document type');
  // Counted before a tree is built of them. Within comments and values there are hardly any that are none.
  if (more(/<[^/!?]/g, text, MAX_ELEMENTS)) throw hostile(what, `it has more than ${MAX_ELEMENTS} elements`);
  if (more(/=\s*["']/g, text, MAX_ATTRIBUTES)) throw hostile(what, `it has more than ${MAX_ATTRIBUTES} attributes`);
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw hostile(what, `line ${valid.err.line}: ${valid.err.msg}`);
  let nodes: Content[];
  try {
    nodes = contentOf(parser.parse(text), what);
  } catch (cause) {
    if (cause instanceof VmferryError) throw cause;
    throw hostile(what, cause instanceof Error ? cause.message : String(cause));
  }
  const roots = nodes.filter((each) => typeof each !== 'string');
  if (roots.length !== 1) throw hostile(what, `it has ${roots.length} root elements`);
  return roots[0]!;
}

function more(pattern: RegExp, text: string, most: number): boolean {
  let count = 0;
  while (count <= most && pattern.exec(text) !== null) count += 1;
  pattern.lastIndex = 0;
  return count > most;
}

/** From fast-xml-parser's ordered form: `[{'#text': …} | {name: […], ':@': {attribute: value}}]`. */
function contentOf(nodes: unknown, what: string): Content[] {
  if (!Array.isArray(nodes)) return [];
  return nodes.map((node: unknown): Content => {
    const entries = Object.entries(node as Record<string, unknown>);
    const [name, inner] = entries.find(([key]) => key !== ':@') ?? ['#text', ''];
    if (name === '#text') return decode(String(inner), what);
    if (name === '#cdata') return contentText(inner);
    const given = entries.find(([key]) => key === ':@')?.[1] ?? {};
    const attributes = Object.entries(given as Record<string, unknown>);
    return new XmlElement(
      name,
      new Map(attributes.map(([key, value]) => [key, decode(String(value), what)])),
      contentOf(inner, what),
    );
  });
}

/** The text of a CDATA section, in which nothing is a reference. */
function contentText(nodes: unknown): string {
  if (!Array.isArray(nodes)) return '';
  return nodes
    .map((node: unknown) => (node as Record<string, unknown>)['#text'])
    .filter((text) => typeof text === 'string')
    .join('');
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Resolves character references and the five entities of XML 1.0, section 4.6; there are no others without a DTD. */
function decode(text: string, what: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) {
        const known = NAMED[name];
        if (known === undefined) throw hostile(what, `it uses the unknown entity ${whole}`);
        return known;
      }
      const code = decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal);
      if (code > 0x10ffff) throw hostile(what, `it uses the impossible character ${whole}`);
      return String.fromCodePoint(code);
    },
  );
}

function hostile(what: string, why: string): VmferryError {
  const brief = why.length > MOST_REASON ? `${why.slice(0, MOST_REASON)}…` : why;
  return new VmferryError('HostileInput', `cannot read ${what}: ${brief}`, {
    remedy: 'It is not as its format wants it, or was made to do harm. Export the machine again.',
  });
}
