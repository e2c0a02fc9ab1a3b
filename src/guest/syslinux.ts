/** Menus of SYSLINUX and EXTLINUX (its doc/syslinux.txt; the wiki's Config): keywords in any case, entries begun by LABEL. */

export interface Append {
  /** As written behind APPEND. */
  raw: string;
  start: number;
  end: number;
  /** Whether the kernel that it is for is started with an initramfs. */
  initramfs: boolean;
}

interface Entry {
  kernel: string | null;
  initramfs: boolean;
  appends: Append[];
}

/** The arguments of Linux kernels; those that stand before the first entry are for all that have none of their own. */
export function syslinuxArguments(text: string): Append[] {
  const common: Entry = { kernel: null, initramfs: false, appends: [] };
  const entries: Entry[] = [];
  let help = false;
  let at = 0;
  for (const line of text.split('\n')) {
    const start = at;
    at += line.length + 1;
    const [head = '', word = ''] = /^[ \t]*([a-z0-9]+)(?:[ \t]+|$)/i.exec(line) ?? [];
    const value = line.slice(head.length).trimEnd();
    const key = word.toLowerCase();
    // What a menu shows of an entry goes over many lines.
    if (key === 'text' || key === 'endtext') help = key === 'text';
    if (help) continue;
    if (key === 'label') entries.push({ kernel: null, initramfs: false, appends: [] });
    const entry = entries.at(-1) ?? common;
    if (key === 'linux' || key === 'kernel') entry.kernel = value;
    if (key === 'com32' || key === 'boot' || key === 'bss' || key === 'pxe') entry.kernel = null;
    if (key === 'initrd') entry.initramfs = true;
    if (key !== 'append' || value === '' || value === '-') continue;
    if (/(?:^|\s)initrd=/.test(value)) entry.initramfs = true;
    const from = start + head.length;
    entry.appends.push({ raw: value, start: from, end: from + value.length, initramfs: false });
  }
  const kernels = entries.filter(({ kernel }) => kernel !== null && isLinux(kernel));
  const all = { ...common, initramfs: common.initramfs || kernels.every(({ initramfs }) => initramfs) };
  return [...(kernels.length > 0 ? [all] : []), ...kernels].flatMap(({ appends, initramfs }) =>
    appends.map((each) => ({ ...each, initramfs: initramfs || common.initramfs })),
  );
}

/** Not a module of its own, a memory test, or a disk image that is booted by one. */
function isLinux(kernel: string): boolean {
  return !/\.(c32|com|cbt|bin|bs|bss|img|0)$|memdisk|memtest|ipxe/i.test(kernel);
}
