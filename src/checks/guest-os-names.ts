/**
 * What a declared guest OS says, in the words of libosinfo (`http://debian.org/debian/12`), VMware's API and VMX files
 * (`windows9Server64Guest`, `windows9srv-64`), VirtualBox (`Windows2019_64`) and CIM (`Microsoft Windows Server 2019
 * 64-Bit`, `Linux 2.6.x`). Only what a check needs: the family, and whether its drivers know virtio.
 */

export type OsFamily = 'windows' | 'linux' | 'bsd' | 'solaris' | 'macos' | 'esxi' | 'dos' | 'netware';

export interface GuestOs {
  family: OsFamily;
  /**
   * `none`: there never were drivers, or only before this version; `installable`: not in the system itself;
   * `some`: only late updates of this version have them; `unknown`: not said by this text.
   */
  virtio: 'built-in' | 'installable' | 'some' | 'none' | 'unknown';
}

/** The longest that is looked at; a name of an OS is shorter. */
const MAX_LENGTH = 200;

/** The first that fits counts: "darwin" also holds "win". */
const FAMILIES: [OsFamily, RegExp][] = [
  ['macos', /darwin|mac ?os|macosx/],
  ['esxi', /vmkernel|esxi?\b|vmware-esx/],
  ['solaris', /solaris|sunos|illumos|indiana|smartos|omnios/],
  ['bsd', /bsd/],
  ['netware', /netware/],
  [
    'linux',
    /linux|debian|ubuntu|red ?hat|rhel|centos|fedora|suse|\bsle[sd]|oracle|alma|rocky|gentoo|mandr|mageia|arch|coreos|photon|asianux|turbo|xandros|\bmint\b|alpine|cirros|deepin|kylin/,
  ],
  ['dos', /\b(ms-?|free|dr-?)?dos\b|\bdosguest|os\/?2|ecomstation/],
  ['windows', /windows|^win|microsoft|longhorn|whistler|\bwin\b/],
];

/** Null where the text says nothing that is known: nothing, "other", "unknown", or a system that nobody here has heard of. */
export function guestOsOf(declared: string | null): GuestOs | null {
  if (declared === null) return null;
  const text = plain(declared);
  const family = FAMILIES.find(([, pattern]) => pattern.test(text))?.[0];
  return family ? { family, virtio: virtioOf(family, text) } : null;
}

/** Small letters, without the marks of 64 bits, which would read as versions. */
function plain(declared: string): string {
  return declared
    .slice(0, MAX_LENGTH)
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/guest$/, '')
    .replace(/[_\s(-]*(x86[_-]64|amd64|64-?bit|32-?bit)\)?/, '')
    .replace(/[_-](64|32|arm64)$/, '')
    .replace(/^([a-z]+)64$/, '$1')
    .trim();
}

function virtioOf(family: OsFamily, text: string): GuestOs['virtio'] {
  switch (family) {
    case 'windows':
      return /win(dows)?[ /]?(nt|95|98|me|3|2000|2k$|2k\/)|\bwin\/2k$|winnt|win9[58]|winme|win2000/.test(text)
        ? 'none'
        : 'installable';
    case 'linux':
      return linuxVirtio(text);
    case 'bsd': {
      const version = read(FREEBSD, text);
      return version === null ? 'unknown' : version[0] < 9 ? 'none' : 'built-in';
    }
    case 'solaris': {
      const version = read(SOLARIS, text);
      return version !== null && version[0] < 11 ? 'none' : 'unknown';
    }
    case 'macos':
      return 'unknown';
    default:
      return 'none';
  }
}

/**
 * virtio over PCI came with Linux 2.6.25. Distributions by the kernel that they came with; Red Hat took it back into 3.9,
 * 4.8 and 5.3 (RHEL 5 Virtualization Guide, chapter 11).
 */
const FIRST_WITH_VIRTIO: [version: RegExp, major: number][] = [
  [versionOf('debian'), 5],
  [versionOf('ubuntu'), 9],
  [versionOf('fedora'), 9],
  [versionOf('opensuse'), 11],
  [versionOf('sles|sled|sle|suse linux enterprise(?: server| desktop)?'), 11],
];
const RED_HAT = versionOf('rhel|red ?hat(?: enterprise linux)?|centos|oracle(?: ?linux)?|asianux');
const RED_HAT_SINCE: Record<number, number> = { 3: 9, 4: 8, 5: 3 };
const FREEBSD = versionOf('freebsd');
const SOLARIS = versionOf('solaris');

function linuxVirtio(text: string): GuestOs['virtio'] {
  if (/linux ?2\.?[0-4]\b|linux2[0-4]|2[2-4]xlinux|2\.[0-4]\.x|mandrake|turbo|xandros/.test(text)) return 'none';
  if (/linux ?2\.?6|26xlinux|2\.6\.x/.test(text)) return 'some';
  const redHat = read(RED_HAT, text);
  if (redHat !== null) {
    const [major, minor] = redHat;
    const since = RED_HAT_SINCE[major];
    if (major < 3) return 'none';
    if (since === undefined) return 'built-in';
    return minor === null ? 'some' : minor < since ? 'none' : 'built-in';
  }
  for (const [pattern, first] of FIRST_WITH_VIRTIO) {
    const version = read(pattern, text);
    if (version !== null) return version[0] < first ? 'none' : 'built-in';
  }
  return 'unknown';
}

/** The version that stands right behind one of these names. */
function versionOf(names: string): RegExp {
  return new RegExp(`(?:${names})[ /_-]?(\\d{1,2})(?:\\.(\\d{1,3}))?`);
}

function read(version: RegExp, text: string): [major: number, minor: number | null] | null {
  const match = version.exec(text);
  return match ? [Number(match[1]), match[2] === undefined ? null : Number(match[2])] : null;
}
