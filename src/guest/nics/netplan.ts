import { isMap, isScalar, parse, parseDocument } from 'yaml';
import type { ConfigFiles } from '../config-files.js';
import type { FoundNames } from './found-names.js';
import { ethernetAddress } from './names.js';

/** /etc/netplan/*.yaml, cloud-init's too: netplan(5), "Properties for physical device types". */

/** Of all files together: parsing costs far more than reading, and no plan comes near. */
export const MAX_YAML_CHARS = 256 * 1024;

/** The parser's time grows with the square of the depth; brackets and dashes nest for a character or two each. */
const MAX_DEPTH = 50;

type Plan = ReadonlyMap<unknown, unknown>;

const MADE = ['bonds', 'bridges', 'vlans', 'wifis', 'modems', 'tunnels', 'vrfs', 'dummy-devices', 'virtual-ethernets'];

export async function readNetplan(files: ConfigFiles, found: FoundNames): Promise<void> {
  // A file hides one of the same name in a folder before; all are then merged in the order of their names.
  const byName = new Map<string, { path: string; plan: Plan }>();
  let chars = 0;
  for (const dir of ['/lib/netplan', '/etc/netplan']) {
    for (const { path, name, text } of await files.all(dir, (each) => /^[^.].*\.ya?ml$/.test(each))) {
      chars += text.length;
      const plan = chars > MAX_YAML_CHARS ? tooLong(files, path) : parsePlan(files, path, text);
      if (plan) byName.set(name, { path, plan });
    }
  }
  const merged = new Map<string, { path: string; settings: Map<unknown, unknown> }>();
  const sorted = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
  for (const { path, plan } of sorted) {
    for (const kind of ['ethernets', ...MADE]) {
      for (const [id, settings] of entries(plan.get(kind))) {
        const key = `${kind} ${id}`;
        const known = merged.get(key) ?? { path, settings: new Map<unknown, unknown>() };
        asMap(settings)?.forEach((value, name) => known.settings.set(name, value));
        merged.set(key, known);
      }
    }
  }
  const ids = new Set([...merged.keys()].map((key) => key.slice(key.indexOf(' ') + 1)));
  const members = new Set([...merged.values()].flatMap(({ settings }) => below(settings)));
  for (const [key, { path, settings }] of merged) {
    const id = key.slice(key.indexOf(' ') + 1);
    if (key.startsWith('ethernets ')) readCard(found, path, id, settings, members.has(id));
    else readMade(found, path, id, settings, ids);
  }
}

function tooLong(files: ConfigFiles, path: string): null {
  return files.skip(path, `with it, the plans are longer than ${MAX_YAML_CHARS} characters`);
}

/** Without aliases, which netplan takes none of; and without what the parser does in the square of the length. */
const YAML_OPTIONS = {
  maxAliasCount: 0,
  mapAsMap: true,
  logLevel: 'error',
  prettyErrors: false,
  uniqueKeys: false,
} as const;

function parsePlan(files: ConfigFiles, path: string, text: string): Plan | null {
  if (isDeep(text)) return files.skip(path, `it is nested deeper than ${MAX_DEPTH} levels`);
  try {
    const whole: unknown = parse(text, YAML_OPTIONS);
    return asMap(asMap(whole)?.get('network')) ?? null;
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
    return files.skip(path, `it is no YAML that netplan takes (${why.slice(0, 100).replace(/[.:]$/, '')})`);
  }
}

function isDeep(text: string): boolean {
  let depth = 0;
  for (const [mark] of text.matchAll(/[[{\]}]/g)) {
    depth = Math.max(0, depth + (mark === '[' || mark === '{' ? 1 : -1));
    if (depth > MAX_DEPTH) return true;
  }
  return new RegExp(`([-?:][ \\t]+){${MAX_DEPTH}}`).test(text);
}

function readCard(found: FoundNames, path: string, id: string, settings: Plan, member: boolean): void {
  const addresses = settings.get('addresses');
  const use = {
    started: !['manual', 'off'].includes(asText(settings.get('activation-mode'))),
    fixed: member || (Array.isArray(addresses) && addresses.length > 0),
  };
  const match = asMap(settings.get('match'));
  const newName = asText(settings.get('set-name'));
  if (!match) return found.use(newName || id, path, { sure: true, ...use });
  const mac = asText(match.get('macaddress'));
  const name = asText(match.get('name'));
  if (newName) {
    found.use(newName, path, { mac, sure: true, ...use });
    // netplan writes a .link file and a udev rule for it at each start (netplan, src/networkd.c).
    const address = ethernetAddress(mac);
    if (address && !name) found.selfPinned.set(newName, address);
  }
  const hardware = ['driver', 'path'].filter((property) => match.has(property));
  if (!newName) {
    found.find({ words: name ? [name] : [], macs: mac ? [mac] : [], hardware }, path, { ...use, sure: true });
    return;
  }
  found.address(mac, path);
  hardware.forEach((property) => found.byHardware(path, property));
}

function readMade(found: FoundNames, path: string, id: string, settings: Plan, ids: ReadonlySet<string>): void {
  found.virtual(id);
  // Members are names of definitions; netplan refuses others, but another file may be added later.
  for (const member of below(settings)) if (!ids.has(member)) found.use(member, path, { fixed: true });
}

/** What a bond, bridge or VLAN is made on. */
function below(settings: Plan): string[] {
  const members = settings.get('interfaces');
  return [...(Array.isArray(members) ? (members as unknown[]) : []), settings.get('link')].map(asText);
}

function asMap(value: unknown): Map<unknown, unknown> | null {
  return value instanceof Map ? value : null;
}

/** YAML reads `100` and `1e1` as numbers; as names they are what they print as. */
function asText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function entries(value: unknown): [string, unknown][] {
  return [...(asMap(value) ?? [])].flatMap(([key, inner]) => (asText(key) ? [[asText(key), inner]] : []));
}

/** Where addresses stand in a plan by which it finds cards, and what has to stand around a new one. */
export function macPlaces(text: string): { start: number; end: number; quote: string }[] {
  if (text.length > MAX_YAML_CHARS || isDeep(text)) return [];
  const document = parseDocument(text, YAML_OPTIONS);
  const cards = document.errors.length === 0 ? document.getIn(['network', 'ethernets'], true) : null;
  if (!isMap(cards)) return [];
  return cards.items.flatMap(({ value }) => {
    const mac = isMap(value) ? value.getIn(['match', 'macaddress'], true) : null;
    if (!isScalar(mac) || !mac.range || !/^(PLAIN|QUOTE)/.test(mac.type ?? '')) return [];
    // Some readers take digits with colons for a number where nothing says that they are text (YAML 1.1, "int").
    return [{ start: mac.range[0], end: mac.range[1], quote: mac.type === 'PLAIN' ? '"' : '' }];
  });
}
