import type { ConfigFiles } from '../config-files.js';

/** How this guest gives names to network cards. */
export interface Naming {
  /** Whether there is a udev at all; without it, the kernel's order is all there is. */
  udev: boolean;
  /** Whether a .link file that is new in /etc takes effect without the initramfs being made anew. */
  links: boolean;
  /** Whether cards keep the kernel's names (`eth0`) unless a rule says otherwise. */
  kernelNames: boolean;
}

const RULES = '80-net-setup-link.rules';

/**
 * .link files are read by a udev rule (systemd.link(5), since systemd 209) that Debian 8 made depend on net.ifnames=1, and
 * that an empty file in /etc, or a link to /dev/null, turns off. Up to 239, a card that was renamed once is left alone
 * (link-config.c, should_rename), so that the name given in the initramfs, which has its own copy of these files, stays;
 * since 240 (NAMING_ALLOW_RERENAMES, and `keep` as the first of the default policies) the real root's files win as long
 * as the card is not up. Rules that set NAME always rename, in the initramfs and again after it.
 */
export async function namingOf(files: ConfigFiles): Promise<Naming> {
  const dirs = ['/etc/udev/rules.d', '/usr/lib/udev/rules.d', '/lib/udev/rules.d', '/etc/udev', '/lib/udev'];
  const lists = await Promise.all([...dirs, '/usr/lib/udev'].map((dir) => files.list(dir)));
  const defaults = await firstOf(files, '99-default.link', ['/usr/lib/systemd/network', '/lib/systemd/network']);
  const rules = await firstOf(files, RULES, dirs.slice(0, 3));
  const reads = rules.includes('net_setup_link') && !/net\.ifnames\}\s*!=\s*"1"/.test(rules);
  const keeps = /^\s*NamePolicy\s*=.*\bkeep\b/m.test(defaults);
  const noPolicy = (await files.list('/etc/systemd/network')).includes('99-default.link');
  return {
    udev: lists.some((names) => names.length > 0),
    links: reads && keeps,
    kernelNames: !reads || noPolicy || (await turnedOff(files)),
  };
}

/** Text of the first file of this name; empty where it is masked or missing. */
async function firstOf(files: ConfigFiles, name: string, dirs: string[]): Promise<string> {
  for (const dir of dirs) {
    if ((await files.list(dir)).includes(name)) return (await files.read(`${dir}/${name}`)) ?? '';
  }
  return '';
}

/** `net.ifnames=0` among the kernel's arguments (systemd-udevd.service(8)). */
async function turnedOff(files: ConfigFiles): Promise<boolean> {
  const entries = await files.all('/boot/loader/entries', (name) => name.endsWith('.conf'));
  const paths = ['/etc/default/grub', '/etc/kernel/cmdline', '/boot/grub/grub.cfg', '/boot/grub2/grub.cfg'];
  const texts = await Promise.all(paths.map((path) => files.read(path)));
  return [...entries.map(({ text }) => text), ...texts].some((text) =>
    (text ?? '').split('\n').some((line) => !line.trimStart().startsWith('#') && /\bnet\.ifnames=0\b/.test(line)),
  );
}
