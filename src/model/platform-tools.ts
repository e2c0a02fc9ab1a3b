/** What a platform puts into its guests. */
interface PlatformTools {
  /** For people. */
  maker: string;
  /** Any of these programs in the guest tells that they are there. */
  programs: readonly string[];
  /** Names that distributions and makers give their packages; none where they stay in a guest that is converted. */
  packages: readonly string[];
  /** What the maker's own installer, which no package manager knows, leaves to remove them with. */
  uninstaller: string | null;
}

export const PLATFORM_TOOLS = {
  vmware: {
    maker: 'VMware',
    programs: ['vmtoolsd', 'vmware-guestd', 'vmware-config-tools.pl'],
    packages: [
      'open-vm-tools',
      // These need the first, which does not go without them.
      'open-vm-tools-desktop',
      'open-vm-tools-sdmp',
      'open-vm-tools-salt-minion',
      'open-vm-tools-containerinfo',
      'open-vm-tools-deploypkg',
      'open-vm-tools-dkms',
      'open-vm-tools-dev',
      'open-vm-tools-devel',
      'open-vm-tools-test',
    ],
    uninstaller: '/usr/bin/vmware-uninstall-tools.pl',
  },
  virtualbox: {
    maker: 'VirtualBox',
    programs: ['VBoxService', 'VBoxControl'],
    packages: [
      'virtualbox-guest-utils',
      'virtualbox-guest-x11',
      'virtualbox-guest-additions',
      'virtualbox-guest-tools',
    ],
    uninstaller: '/usr/sbin/vbox-uninstall-guest-additions',
  },
  xen: {
    maker: 'Xen',
    programs: ['xe-daemon', 'xe-linux-distribution'],
    packages: ['xe-guest-utilities', 'xe-guest-utilities-latest', 'xen-guest-agent'],
    uninstaller: null,
  },
  'hyper-v': {
    maker: 'Hyper-V',
    programs: ['hv_kvp_daemon', 'hypervkvpd'],
    packages: [],
    uninstaller: null,
  },
} as const satisfies Record<string, PlatformTools>;

export type PlatformWithTools = keyof typeof PLATFORM_TOOLS;
export const PLATFORMS_WITH_TOOLS = ['vmware', 'virtualbox', 'xen', 'hyper-v'] as const satisfies PlatformWithTools[];
