import type { Finding } from '../model/finding.js';
import {
  bootFiles,
  changeArguments,
  environmentArguments,
  type BootArguments,
  type BootFile,
} from './boot-arguments.js';
import { ConfigFiles } from './config-files.js';
import type { Edit, GuestTree } from './tree.js';

const SCREEN = 'console=tty0';
/** The last `console=` is /dev/console (Linux, admin-guide/serial-console). */
const SERIAL = 'console=ttyS0,115200';

/**
 * Gives the guest's kernel a console on the first serial port beside the screen, wherever its arguments are kept and do
 * not name that port yet. Run on its own result, it changes nothing.
 */
export async function addSerialConsole(tree: GuestTree): Promise<{ edits: Edit[]; findings: Finding[] }> {
  const files = new ConfigFiles(tree);
  const found = await bootFiles(files);
  const environment = await environmentArguments(files);
  const defaults = defaultsToChange(found);
  for (const file of found) {
    await changeArguments(files, file, (each) => {
      if (each.kind === 'grub-defaults') return each === defaults ? insideQuotes(each.raw) : each.raw;
      if (each.kind === 'syslinux-defaults') {
        return each.key === 'root' || hasSerial(each.raw) ? each.raw : insideQuotes(each.raw);
      }
      const inherits = each.raw.includes('$kernelopts') && hasSerial(environment?.value ?? '');
      // A BLS entry may have several lines of options, of which one is enough.
      const elsewhere = each.kind === 'loader-entry' && (each !== file.arguments.at(-1) || hasSerial(file.text));
      return each.kind === 'grub-variable' || inherits || elsewhere ? each.raw : appended(each.raw);
    });
  }
  await addMissingDefault(files, found);
  if (environment && !hasSerial(environment.value) && usesVariable(found)) {
    files.note({
      id: 'guest.console-grubenv',
      severity: 'info',
      message: `Kernels that are installed later take their arguments from ${environment.path}, which names no serial console.`,
      remedy: `In the guest: grub2-editenv - set "kernelopts=$kernelopts ${SCREEN} ${SERIAL}", if later kernels need one.`,
    });
  }
  return { edits: files.edits(), findings: files.findings };
}

function hasSerial(text: string): boolean {
  return /\bttyS0\b/.test(text);
}

function missing(text: string): string {
  return /\bconsole=tty0\b/.test(text) ? SERIAL : `${SCREEN} ${SERIAL}`;
}

function appended(raw: string): string {
  // A line that goes on in the next one ends with a `\`, behind which nothing may stand.
  return hasSerial(raw) || raw.endsWith('\\') ? raw : `${raw} ${missing(raw)}`;
}

/** The assignment that has the last word on what all kernels get; null where the port is named already or nowhere. */
function defaultsToChange(found: readonly BootFile[]): BootArguments | null {
  const defaults = found.flatMap((file) => file.arguments).filter((each) => each.kind === 'grub-defaults');
  const effective = ['GRUB_CMDLINE_LINUX', 'GRUB_CMDLINE_LINUX_DEFAULT'].map((key) =>
    defaults.filter((each) => each.key === key),
  );
  if (effective.some((all) => all.some((each) => hasSerial(each.raw)))) return null;
  return effective[0]?.at(-1) ?? null;
}

async function addMissingDefault(files: ConfigFiles, found: readonly BootFile[]): Promise<void> {
  const file = found.find(({ path }) => path === '/etc/default/grub');
  const defaults = found.flatMap((each) => each.arguments).filter((each) => each.kind === 'grub-defaults');
  if (!file || defaults.some((each) => each.key === 'GRUB_CMDLINE_LINUX' || hasSerial(each.raw))) return;
  const gap = file.text === '' || file.text.endsWith('\n') ? '' : '\n';
  await files.write(file.path, `${file.text}${gap}GRUB_CMDLINE_LINUX="${SCREEN} ${SERIAL}"\n`);
}

/** A shell word with the arguments added: within its quotes where these go round the whole of it. */
function insideQuotes(raw: string): string {
  const added = missing(raw);
  const whole = /^(?:"((?:[^"\\]|\\[^])*)"|'([^']*)')$/.exec(raw);
  const inner = whole?.[1] ?? whole?.[2];
  if (inner !== undefined) {
    const blank = inner === '' || /\s$/.test(inner) ? '' : ' ';
    return `${raw.slice(0, -1)}${blank}${added}${raw.slice(-1)}`;
  }
  if (/^[\w=,.:/%+@-]*$/.test(raw)) return raw === '' ? `"${added}"` : `"${raw} ${added}"`;
  // Words in the shell may be put together of several pieces, each with quotes of its own.
  return `${raw}" ${added}"`;
}

function usesVariable(found: readonly BootFile[]): boolean {
  return found.some((file) => file.arguments.some((each) => each.raw.includes('$kernelopts')));
}
