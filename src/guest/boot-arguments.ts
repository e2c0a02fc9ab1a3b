import { posix } from 'node:path';
import { replaceAll, type ConfigFiles } from './config-files.js';
import { expandGlob } from './glob.js';
import { shellAssignments } from './shell-assignments.js';
import { syslinuxArguments } from './syslinux.js';

/** Where a guest keeps its kernel's arguments, and how they stand there. */

/** One kernel's arguments in a file. */
export interface BootArguments {
  path: string;
  kind:
    | 'grub-defaults'
    | 'grub-entry'
    | 'grub-variable'
    | 'loader-entry'
    | 'command-line'
    | 'grub-legacy-defaults'
    | 'refind-entry'
    | 'syslinux-entry'
    | 'syslinux-defaults';
  /** As written, with quotes; changing it changes the file. */
  raw: string;
  start: number;
  end: number;
  /** For GRUB_CMDLINE_LINUX and its like. */
  key: string;
  /** False where the kernel is started without an initramfs, which is what knows UUIDs. */
  initramfs: boolean;
}

export interface BootFile {
  path: string;
  text: string;
  arguments: BootArguments[];
}

/** Files with at most one kernel's arguments in a line, at its end. */
type LineKind = 'grub' | 'legacy' | 'entry' | 'refind';
type Kind = LineKind | 'defaults' | 'line' | 'syslinux' | 'syslinux-defaults';

const PLACES: [string, Kind][] = [
  ['/etc/default/grub', 'defaults'],
  ['/etc/default/grub.d/*.cfg', 'defaults'],
  ['/boot/grub/grub.cfg', 'grub'],
  ['/boot/grub2/grub.cfg', 'grub'],
  ['/boot/efi/EFI/*/grub.cfg', 'grub'],
  // What people add, which GRUB reads itself or its scripts put into grub.cfg.
  ['/boot/grub/custom.cfg', 'grub'],
  ['/boot/grub2/custom.cfg', 'grub'],
  ['/boot/efi/EFI/*/custom.cfg', 'grub'],
  ['/etc/grub.d/*_custom', 'grub'],
  ['/boot/grub/menu.lst', 'legacy'],
  ['/boot/grub/grub.conf', 'legacy'],
  // Red Hat 6 with UEFI.
  ['/boot/efi/EFI/*/grub.conf', 'legacy'],
  ['/boot/loader/entries/*.conf', 'entry'],
  ['/boot/efi/loader/entries/*.conf', 'entry'],
  ['/efi/loader/entries/*.conf', 'entry'],
  // rEFInd's, beside the kernels, and by hand.
  ['/boot/refind_linux.conf', 'refind'],
  ['/boot/EFI/refind/refind.conf', 'refind'],
  ['/boot/efi/EFI/refind/refind.conf', 'refind'],
  ['/efi/EFI/refind/refind.conf', 'refind'],
  ['/etc/kernel/cmdline', 'line'],
  // Alpine, Arch and Debian, in this order; Alpine makes its menu anew from what is in /etc.
  ['/etc/update-extlinux.conf', 'syslinux-defaults'],
  ['/boot/extlinux.conf', 'syslinux'],
  ['/boot/syslinux/*.cfg', 'syslinux'],
  ['/boot/extlinux/*.c*', 'syslinux'],
  ['/boot/efi/EFI/syslinux/*.cfg', 'syslinux'],
];

/** All places that this guest has, in the order in which GRUB's own scripts read them. */
export async function bootFiles(files: ConfigFiles): Promise<BootFile[]> {
  const found: BootFile[] = [];
  for (const [pattern, kind] of PLACES) {
    for (const path of await expandGlob(files, pattern)) {
      const text = await files.read(path);
      if (text === null) continue;
      const torn = kind.endsWith('defaults') && shellAssignments(text).some((each) => each.torn);
      if (torn) files.skip(path, 'a quote in it has no end');
      else found.push({ path, text, arguments: argumentsIn(path, kind, text) });
    }
  }
  return found;
}

/** Changes arguments where `change` gives other ones, and writes the file if any did. */
export async function changeArguments(
  files: ConfigFiles,
  file: BootFile,
  change: (each: BootArguments) => string,
): Promise<void> {
  const replacements = file.arguments.map((each) => ({ start: each.start, end: each.end, by: change(each) }));
  await files.write(file.path, replaceAll(file.text, replacements));
}

function argumentsIn(path: string, kind: Kind, text: string): BootArguments[] {
  if (kind === 'defaults') {
    return shellAssignments(text)
      .filter(({ key }) => key.startsWith('GRUB_CMDLINE_LINUX'))
      .map(({ key, start, end }) => {
        return { path, kind: 'grub-defaults', raw: text.slice(start, end), start, end, key, initramfs: true };
      });
  }
  if (kind === 'syslinux-defaults') {
    // update-extlinux puts `root=` before the value of `root`.
    return shellAssignments(text).flatMap(({ key, start, end }) => {
      const from = key === 'root' ? start - 'root='.length : start;
      if (key !== 'root' && key !== 'default_kernel_opts') return [];
      return [{ path, kind, raw: text.slice(from, end), start: from, end, key, initramfs: true }];
    });
  }
  if (kind === 'syslinux') {
    return syslinuxArguments(text).map((each) => ({ ...each, path, kind: 'syslinux-entry', key: '' }));
  }
  if (kind === 'line') {
    // kernel-install(8) takes the words of all its lines.
    const raw = text.trimEnd();
    return [{ path, kind: 'command-line', raw, start: 0, end: raw.length, key: '', initramfs: true }];
  }
  const lines = linesOf(text);
  const initramfs = withInitramfs(lines, kind);
  const found: BootArguments[] = [];
  for (const [index, { line, start }] of lines.entries()) {
    const head = headOf(kind, line);
    if (head === null) continue;
    const rest = line.slice(head.length).trimEnd();
    const raw = kind === 'refind' && rest.endsWith('"') ? rest.slice(0, -1) : rest;
    const at = { path, raw, start: start + head.length, end: start + head.length + raw.length, key: '' };
    const words = line.trim().split(/\s+/, 2);
    if (words[0] === '#') found.push({ ...at, kind: 'grub-legacy-defaults', initramfs: true });
    else if (words[0] === 'set') found.push({ ...at, kind: 'grub-variable', initramfs: true });
    else found.push({ ...at, kind: ENTRIES[kind], initramfs: initramfs[index] ?? false });
  }
  return found;
}

const ENTRIES = { grub: 'grub-entry', legacy: 'grub-entry', entry: 'loader-entry', refind: 'refind-entry' } as const;

/** What stands before the arguments of a line that has some, or null. */
function headOf(kind: LineKind, line: string): string | null {
  // `# kopt=` is what Debian's update-grub takes for the legacy GRUB.
  const patterns = {
    grub: /^[ \t]*(?:(?:linux|linux16|linuxefi|module|module2)[ \t]+[^ \t]+|set[ \t]+(?:default_)?kernelopts=)/,
    legacy: /^(?:[ \t]*(?:kernel|module)[ \t]+(?:--[^ \t]+[ \t]+)*[^ \t]+|# kopt=)/,
    entry: /^options(?=[ \t])/,
    // A title and its arguments in refind_linux.conf; a line of a stanza in refind.conf.
    refind: /^[ \t]*(?:"[^"]*"|options)[ \t]+"?/,
  };
  const head = patterns[kind].exec(line)?.[0] ?? null;
  if (kind === 'refind') return head;
  return head !== null && /memtest|\/xen[^/]*$|\.c32$|ipxe|initr|\.img$/.test(head) ? null : head;
}

/** `root=` and `resume=` with a device, within quotes or not: what stands before the device, and the device. */
export const DEVICE_ARGUMENT = /(?<![^\s"'=])((?:root|resume)=(?:\\?["'])?)(\/dev\/[^\s"'\\]{1,200})/g;

/** Other devices that arguments name, such as `cryptdevice=/dev/sda2:root`, which are written in many ways. */
export function otherDevices(raw: string): string[] {
  return [...raw.replace(DEVICE_ARGUMENT, '').matchAll(/[=,](\/dev\/[^\s"'\\:,]{1,200})/g)].map(
    ([, each = '']) => each,
  );
}

/** An initramfs of its own, or within a unified kernel image (Boot Loader Specification, type 1 and 2). */
const ENTRY_INITRAMFS = /^(?:initrd|uki)\s|^(?:linux|efi)\s+\/efi\/linux\/.*\.efi\s*$/i;

/** For each line, whether an `initrd` belongs to the same entry. rEFInd finds it by itself. */
function withInitramfs(lines: readonly { line: string }[], kind: LineKind): boolean[] {
  if (kind === 'refind') return lines.map(() => true);
  const found: boolean[] = [];
  let seen = kind === 'entry' && lines.some(({ line }) => ENTRY_INITRAMFS.test(line));
  for (let index = lines.length - 1; index >= 0; index -= 1) {
    const line = lines[index]?.line ?? '';
    const word = /^[ \t]*([a-z0-9]+|\})/.exec(line)?.[1] ?? '';
    if (kind !== 'entry' && ['menuentry', 'submenu', 'title', '}'].includes(word)) seen = false;
    // Under Xen, both the kernel and its initramfs are modules.
    if (word.startsWith('initrd') || (word.startsWith('module') && /[ \t/](initr|[^ \t]*\.img)/.test(line)))
      seen = true;
    found[index] = seen;
  }
  return found;
}

function linesOf(text: string): { line: string; start: number }[] {
  let start = 0;
  return text.split('\n').map((line) => {
    const each = { line, start };
    start += line.length + 1;
    return each;
  });
}

/** GRUB's environment block keeps the arguments of Red Hat 8's entries (`kernelopts`); it has a fixed size and is not edited. */
export async function environmentArguments(files: ConfigFiles): Promise<{ path: string; value: string } | null> {
  const vendors = (await expandGlob(files, '/boot/efi/EFI/*/grubenv')).map((path) => posix.dirname(path));
  for (const dir of ['/boot/grub2', '/boot/grub', ...vendors]) {
    const path = posix.join(dir, 'grubenv');
    const text = (await files.list(dir)).includes('grubenv') ? await files.read(path) : null;
    const line = text?.split('\n').find((each) => each.startsWith('kernelopts='));
    if (line !== undefined) return { path, value: line.slice('kernelopts='.length) };
  }
  return null;
}
