import assert from 'node:assert/strict';
import test from 'node:test';
import { guestOsOf } from '../../src/checks/guest-os-names.js';
import { check } from '../../src/checks/index.js';
import { AGENT, disk, factsOf } from './facts.js';

/** Names as libosinfo, VMware (API and VMX), VirtualBox and CIM write them. */

const NAMES: Record<string, string[]> = {
  'windows installable': [
    ...['http://microsoft.com/win/11', 'http://microsoft.com/win/2k19', 'http://microsoft.com/win/2k8r2'],
    ...['http://microsoft.com/win/xp', 'http://microsoft.com/win/2k3'],
    ...['windows9Server64Guest', 'windows2019srvNext_64Guest', 'winNetStandardGuest', 'winXPProGuest'],
    ...['windows9srv-64', 'windows2019srvnext-64', 'longhorn-64', 'winLonghorn64Guest', 'windows7_64Guest'],
    ...['Windows2019_64', 'Windows2022_64', 'Windows10', 'WindowsXP', 'Windows2003', 'Windows8_64', 'Windows11_arm64'],
    ...['Microsoft Windows Server 2019 64-Bit', 'Microsoft Windows 10', 'Windows Server 2008 R2', 'Windows XP'],
  ],
  'windows none': [
    ...['http://microsoft.com/win/nt/4.0', 'http://microsoft.com/win/2k', 'http://microsoft.com/win/98'],
    ...['winNTGuest', 'win2000ServGuest', 'win98Guest', 'win2000pro', 'WindowsNT4', 'Windows2000', 'Windows98'],
    ...['Windows NT', 'Windows 2000'],
  ],
  'linux built-in': [
    ...['http://debian.org/debian/12', 'http://ubuntu.com/ubuntu/22.04', 'http://redhat.com/rhel/9.2'],
    ...['http://redhat.com/rhel/5.3', 'http://redhat.com/rhel/4.8', 'http://centos.org/centos/7.0'],
    ...['http://fedoraproject.org/fedora/38', 'http://opensuse.org/opensuse/15.4', 'http://suse.com/sles/15.4'],
    ...['debian12_64Guest', 'rhel7_64Guest', 'centos8_64Guest', 'sles12_64Guest', 'debian12-64', 'rhel9-64'],
    ...['oracleLinux8_64Guest', 'Debian12_64', 'Ubuntu22_LTS_64', 'RedHat9_64', 'Oracle9_64'],
  ],
  'linux none': [
    ...['http://redhat.com/rhel/2.1', 'http://redhat.com/rhel/5.2', 'http://redhat.com/rhel/4.7'],
    ...['http://debian.org/debian/4', 'other24xLinuxGuest', 'other24xlinux', 'debian4Guest', 'sles10_64Guest'],
    ...['rhel2Guest', 'Linux24', 'Linux24_64', 'Linux22', 'Linux 2.4.x', 'Linux 2.4.x 64-Bit', 'turboLinux64Guest'],
    ...['mandrakeGuest'],
  ],
  'linux some': [
    ...['rhel5_64Guest', 'rhel4Guest', 'centos5_64Guest', 'other26xLinux64Guest', 'other26xlinux-64', 'Linux26_64'],
    ...['Linux 2.6.x', 'Linux 2.6.x 64-Bit'],
  ],
  'linux unknown': [
    ...['http://libosinfo.org/linux/2022', 'otherLinux64Guest', 'other3xLinux64Guest', 'ubuntu64Guest', 'ubuntu-64'],
    ...['Linux_64', 'Debian_64', 'Ubuntu_64', 'RedHat_64'],
    ...['LINUX', 'RedHat Enterprise Linux 64-Bit', 'Debian 64-Bit', 'amazonlinux2_64Guest', 'rockylinux_64Guest'],
  ],
  'bsd built-in': ['http://freebsd.org/freebsd/13.2', 'freebsd13_64Guest', 'freebsd12-64'],
  'bsd none': ['http://freebsd.org/freebsd/8.2'],
  'bsd unknown': ['FreeBSD_64', 'OpenBSD', 'FreeBSD 64-Bit', 'freebsd64Guest', 'http://openbsd.org/openbsd/7.3'],
  'solaris none': ['http://sun.com/solaris/10', 'solaris10_64Guest', 'solaris9Guest', 'solaris10-64'],
  'solaris unknown': ['solaris11_64Guest', 'Solaris11_64', 'OpenSolaris_64', 'Solaris'],
  'macos unknown': ['darwin21_64Guest', 'darwin', 'MacOS1013_64', 'http://apple.com/macosx/10.7'],
  'esxi none': ['vmkernel7Guest', 'vmkernel65'],
  'netware none': ['netware6Guest', 'http://novell.com/netware/6', 'Netware'],
  'dos none': ['dosGuest', 'DOS', 'http://microsoft.com/msdos/6.22', 'os2Guest'],
  null: [
    ...['', 'Other', 'Other_64', 'otherGuest', 'otherGuest64', 'other-64', 'Unknown', 'http://libosinfo.org/unknown'],
    ...['Dedicated', '1', '__proto__', '💿', 'x'.repeat(100_000)],
  ],
};

for (const [expected, names] of Object.entries(NAMES)) {
  test(`guest systems: ${expected}`, () => {
    for (const name of names) {
      const found = guestOsOf(name);
      assert.equal(found ? `${found.family} ${found.virtio}` : 'null', expected, name);
    }
  });
}

test('a name of any length and make is read in no time', () => {
  const started = performance.now();
  for (const part of ['windows ', 'linux 2.', '_64', 'win/', 'rhel '.repeat(9), '64-bit '])
    guestOsOf(part.repeat(200_000));
  assert.ok(performance.now() - started < 500);
});

test('drivers are missed only where no disk is on virtio, and the remedy fits the system', () => {
  const remedies = (guestOs: string, bus: string) =>
    check(factsOf({ guestOs, disks: disk(bus === 'virtio' ? 'vda' : 'sda', bus), devices: AGENT })).map(
      ({ id, message, remedy }) => `${id}: ${message} ${remedy}`,
    );
  assert.deepEqual(remedies('http://microsoft.com/win/2k19', 'virtio'), []);
  assert.match(remedies('http://microsoft.com/win/2k19', 'sata')[0]!, /no-virtio: .*virtio-win.* Install them/);
  assert.match(remedies('http://redhat.com/rhel/4.7', 'sata')[0]!, /has no virtio drivers\. Leave its disks on IDE/);
  assert.match(remedies('Linux 2.6.x', 'sata')[0]!, /only late versions.* Install them/);
  assert.deepEqual(remedies('http://debian.org/debian/12', 'sata'), []);
});

test('a system that is not known is named in the finding', () => {
  const [found] = check(factsOf({ guestOs: 'http://haiku-os.org/haiku/r1' }));
  assert.equal(found?.id, 'guest-os.unknown');
  assert.match(found.message, /"http:\/\/haiku-os\.org\/haiku\/r1", which is not known/);
});
