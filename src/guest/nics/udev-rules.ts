import type { ConfigFiles } from '../config-files.js';
import { ethernetAddress } from './names.js';

/** udev rules that give a card with an address a name: udev(7), and the files that write_net_rules of older udevs wrote. */

/** udev itself takes no longer ones (UDEV_LINE_SIZE). */
const MAX_LINE_CHARS = 16 * 1024;

export interface NameRule {
  path: string;
  mac: string;
  name: string;
  /** Where the name stands in the file, without its quotes. */
  start: number;
  end: number;
  /** The whole rule, with its line's end. */
  line: { start: number; end: number };
}

/** In the order in which udev goes through them; of two for one card the later wins. */
export async function readNameRules(files: ConfigFiles): Promise<NameRule[]> {
  const rules = await files.all('/etc/udev/rules.d', (name) => name.endsWith('.rules'));
  return rules.flatMap(({ path, text }) => rulesIn(text).map((rule) => ({ path, ...rule })));
}

function rulesIn(text: string): Omit<NameRule, 'path'>[] {
  const found: Omit<NameRule, 'path'>[] = [];
  for (const { line, start } of logicalLines(text)) {
    if (line.trimStart().startsWith('#') || line.length > MAX_LINE_CHARS) continue;
    const tokens = [
      ...line.matchAll(/(?<![A-Z_])([A-Z_]+(?:\{[^{}"]{1,64}\})?)\s{0,8}(==|!=|:=|\+=|=)\s{0,8}"([^"]*)"/g),
    ];
    const test = (key: RegExp) => tokens.find((each) => key.test(each[1] ?? '') && each[2] === '==')?.[3];
    const mac = ethernetAddress(test(/^(ATTRS?|SYSFS)\{address\}$/) ?? '');
    const rename = tokens.findLast((each) => each[1] === 'NAME' && (each[2] === '=' || each[2] === ':='));
    const name = rename?.[3] ?? '';
    if (!mac || !rename || (test(/^SUBSYSTEMS?$/) ?? 'net') !== 'net' || name === '' || /[%$]/.test(name)) continue;
    const end = start + rename.index + rename[0].length - 1;
    found.push({ mac, name, start: end - name.length, end, line: { start, end: start + line.length + 1 } });
  }
  return found;
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
