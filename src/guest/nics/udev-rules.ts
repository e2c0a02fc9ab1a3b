import type { ConfigFiles } from '../config-files.js';
import { matchesGlob } from '../glob.js';
import { ethernetAddress } from './names.js';

/** udev rules that give a card with an address a name: udev(7), and the files that write_net_rules of older udevs wrote. */

/** udev itself takes no longer ones (UDEV_LINE_SIZE). */
const MAX_LINE_CHARS = 16 * 1024;

export interface NameRule {
  path: string;
  name: string;
  /** Where the name stands in the file, without its quotes. */
  start: number;
  end: number;
  /** The whole rule, with its line's end. */
  line: { start: number; end: number };
  /** What it asks of the card beside its address that may be otherwise at the target, in words. */
  asks: string[];
  /** Whether it does nothing but name the card. */
  onlyNames: boolean;
  /** Place on the PCI bus that it asks for. */
  place: string | null;
}

export interface AddressRule extends NameRule {
  mac: string;
}

/** In the order in which udev goes through them; of two for one card the later wins. */
export async function readNameRules(files: ConfigFiles): Promise<{ byMac: AddressRule[]; others: NameRule[] }> {
  const texts = await files.all('/etc/udev/rules.d', (name) => name.endsWith('.rules'));
  const all = texts.flatMap(({ path, text }) => rulesIn(text).map((rule) => ({ path, ...rule })));
  return {
    byMac: all.flatMap(({ mac, ...rule }) => (mac === null ? [] : [{ ...rule, mac }])),
    // One that asks for nothing of the card is for whatever card there is.
    others: all.flatMap(({ mac, ...rule }) => (mac === null && rule.asks.length > 0 ? [rule] : [])),
  };
}

function rulesIn(text: string): (Omit<NameRule, 'path'> & { mac: string | null })[] {
  const found: (Omit<NameRule, 'path'> & { mac: string | null })[] = [];
  for (const { line, start } of logicalLines(text)) {
    if (line.trimStart().startsWith('#') || line.length > MAX_LINE_CHARS) continue;
    const tokens = [
      ...line.matchAll(/(?<![A-Z_])([A-Z_]+(?:\{[^{}"]{1,64}\})?)\s{0,8}(==|!=|:=|\+=|=)\s{0,8}"([^"]*)"/g),
    ];
    const test = (key: RegExp) => tokens.find((each) => key.test(each[1] ?? '') && each[2] === '==')?.[3];
    // The kernel writes addresses in one way, and udev compares letter by letter: one that is written otherwise fits none.
    const address = test(/^(ATTRS?|SYSFS)\{address\}$/) ?? '';
    const mac = ethernetAddress(address) === address ? address : null;
    const rename = tokens.findLast((each) => each[1] === 'NAME' && (each[2] === '=' || each[2] === ':='));
    const name = rename?.[3] ?? '';
    const subsystem = test(/^SUBSYSTEMS?$/);
    if (!rename || (subsystem ?? 'net') !== 'net' || name === '' || /[%$]/.test(name)) continue;
    // Without an address, a rule that does not say so may be for anything: a disk, a terminal.
    if (!mac && subsystem === undefined) continue;
    const end = start + rename.index + rename[0].length - 1;
    const asks = tokens.flatMap((each) => asked(each[1] ?? '', each[2] ?? '', each[3] ?? '') ?? []);
    const place = /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.exec(test(/^(KERNELS|ID)$/) ?? '')?.[0] ?? null;
    const does = tokens.filter((each) => each[2] !== '==' && each[2] !== '!=');
    const whole = { start, end: start + line.length + 1 };
    found.push({
      mac,
      name,
      start: end - name.length,
      end,
      line: whole,
      asks: [...new Set(asks)],
      place,
      onlyNames: does.length === 1,
    });
  }
  return found;
}

/** What a token asks for that may be otherwise at the target; null for what holds there, and for what it does. */
function asked(key: string, operator: string, value: string): string | null {
  if (operator !== '==' && operator !== '!=') return null;
  const fits = (name: string) => value.split('|').some((each) => matchesGlob(each, name)) === (operator === '==');
  const whatever = operator === '==' && /^\?\*$|^\*$/.test(value) && !key.startsWith('ENV');
  if (whatever || key === 'ACTION' || key === 'SUBSYSTEM') return null;
  // Of the card itself, and not of what it is plugged into.
  if (/^(ATTRS?|SYSFS)\{(address|type|dev_id|addr_assign_type)\}$/.test(key)) return null;
  if (key === 'SUBSYSTEMS' && ['net', 'pci'].includes(value)) return null;
  if (/^DRIVERS?$/.test(key)) return 'driver';
  if (key === 'KERNEL') return fits('eth0') && fits('eth9') ? null : 'kernel name';
  if (/^(KERNELS|ID|BUS|SUBSYSTEMS|DEVPATH|ENV\{ID_PATH(_TAG)?\})$/.test(key)) return 'place on the bus';
  return /^(ATTRS?|SYSFS)\{/.test(key) ? 'model' : 'surroundings';
}

/** Lines, each with those joined to it by a `\` at the end, as they stand in the text. */
function* logicalLines(text: string): Generator<{ line: string; start: number }> {
  let start = 0;
  let from = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', from);
    const end = newline < 0 ? text.length : newline;
    from = end + 1;
    if (newline >= 0 && text[end - 1] === '\\') continue;
    yield { line: text.slice(start, end), start };
    start = from;
  }
}
