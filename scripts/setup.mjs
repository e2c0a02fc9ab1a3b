// All set-up of a fresh Debian or Ubuntu machine with Node and root or sudo: node modules from the lock file, Debian
// packages, the Temporal server, the build. Run by prestart, pretest and prebench; a second run takes under 2 seconds.
//   --node-only  node modules only (types, lint and format need no more)
//   --own-server the server itself is needed, whatever TEMPORAL_ADDRESS says: tests start their own
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { ask, canBeRoot, giveUp, onPath, root, run, say } from './say.mjs';
import { findTemporal, installTemporal } from './temporal.mjs';

/** Debian packages, and what each is for. */
const PACKAGES = {
  'qemu-system-x86': 'runs guests',
  'qemu-utils': 'qemu-img and qemu-nbd',
  'libvirt-daemon-system': 'libvirtd with its QEMU driver',
  'libvirt-daemon-driver-qemu': 'libvirtd with its QEMU driver',
  'libvirt-clients': 'virsh',
  'openssh-client': 'sites reached by ssh',
  ovmf: 'UEFI guests',
  'swtpm-tools': 'guests with a TPM',
  nbdkit: 'tests against servers that fail',
  bzip2: 'compressed images',
  'libguestfs-tools': 'guestfish, to look into and prepare a guest',
  'libguestfs-xfs': 'guests with XFS file systems',
  'virt-v2v': 'conversion of guests',
  'libnbd-bin': 'nbdcopy, the peer of the benchmarks',
  iproute2: 'the network of the two demo hosts',
  e2fsprogs: 'file systems of the demo guest',
  mtools: 'the boot partition of the demo guest',
  'busybox-static': 'the programs inside the demo guest',
  debootstrap: 'the Debian guest of the tests of conversion',
  zstd: "compressed images; the demo guest's kernel modules, where they are packed as Ubuntu does",
  lz4: 'the initramfs of Ubuntu before 21.04, which a look into a guest unpacks',
  lzop: 'the initramfs of guests that ask for it, which a look into a guest unpacks',
  'xz-utils': "compressed images; the demo guest's kernel modules, where they are packed as Debian does from 13 on",
};

// Any kernel package serves; most machines have one, containers have none.
if (!existsSync('/boot') || !readdirSync('/boot').some((name) => name.startsWith('vmlinuz'))) {
  const ubuntu = existsSync('/etc/os-release') && /^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'));
  PACKAGES[ubuntu ? 'linux-image-generic' : 'linux-image-cloud-amd64'] = "the kernel that libguestfs' appliance boots";
}

const nodeOnly = process.argv.includes('--node-only');
const ownServer = process.argv.includes('--own-server');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  giveUp('run', `Node ${process.versions.node} is too old`, 'install Node 20.19 or later');

// Said before anything is fetched.
if (!nodeOnly && !canBeRoot())
  giveUp(
    'start hosts of its own',
    'that needs root, and sudo is not installed',
    'as root: apt-get install sudo, and let this user use it; or run all of this as root, in a folder that root owns',
  );
installModules();
if (!nodeOnly) {
  await installPackages();
  if (!(process.env.TEMPORAL_ADDRESS && !ownServer) && (await findTemporal()) === null) await installTemporal();
  build();
}

function installModules() {
  const stamp = join(root, 'node_modules', '.vmferry-stamp');
  const wanted = digest([join(root, 'package-lock.json')]) + process.versions.modules;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('installing node modules from package-lock.json');
  if (run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']) !== 0) {
    giveUp(
      'install node modules',
      'npm failed, see above (no network, a proxy that npm does not know, or a full disk?)',
      `cd ${JSON.stringify(root)} && npm ci`,
    );
  }
  writeFileSync(stamp, wanted);
}

async function installPackages() {
  const names = Object.keys(PACKAGES);
  if (onPath('dpkg-query') === null || onPath('apt-get') === null) {
    const missing = ['virsh', 'qemu-img', 'qemu-nbd', 'qemu-system-x86_64', 'libvirtd', 'ssh', 'ip'].filter(
      (name) => onPath(name) === null,
    );
    if (missing.length === 0) return;
    giveUp(
      'install packages',
      `this is not Debian or Ubuntu, and ${missing.join(', ')} are missing`,
      'install QEMU, libvirt, OpenSSH and iproute2 with your package manager',
    );
  }
  const listed = ask('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', '--', ...names]) ?? askSome(names);
  const installed = new Set(
    listed
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  const missing = names.filter((name) => !installed.has(name));
  if (missing.length === 0) return refreshLists(false);
  say(`these Debian packages are missing:\n${missing.map((name) => `    ${name}: ${PACKAGES[name]}`).join('\n')}`);
  const command = `${isRoot() ? '' : 'sudo '}apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (
    process.stdin.isTTY &&
    process.env.CI === undefined &&
    !(await agreed(`Install them now with "${command}"? [Y/n] `))
  ) {
    giveUp('go on', 'packages are missing', command);
  }
  refreshLists(true);
  if (asRoot(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...missing]) !== 0) {
    giveUp(
      'install packages',
      'apt-get failed, see above (no network, no such package, or another apt-get at work)',
      `${isRoot() ? '' : 'sudo '}apt-get update && ${command}`,
    );
  }
}

/** dpkg-query fails as a whole when one package is unknown to it; its output is good all the same. */
function askSome(names) {
  return names
    .map((name) => ask('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', '--', name]) ?? '')
    .join('');
}

/** apt knows nothing before its first update; the demo's guest is made of packages that it fetches. */
function refreshLists(needed) {
  const folder = '/var/lib/apt/lists';
  const known = existsSync(folder) && readdirSync(folder).some((name) => name.includes('_Packages'));
  if (known && !needed) return;
  say('updating the package lists');
  if (asRoot(['apt-get', 'update', '-qq']) !== 0)
    say('apt-get update failed (no network, or no root?); going on with the lists that are there');
}

function isRoot() {
  return process.getuid() === 0;
}

function asRoot(command) {
  // sudo passes no environment on; nothing may ask in the middle of it.
  const words = ['env', 'DEBIAN_FRONTEND=noninteractive', ...command];
  const [program, ...args] = isRoot() ? words : ['sudo', ...words];
  return run(program, args, { stdio: 'inherit' });
}

async function agreed(question) {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(question);
  terminal.close();
  return /^(y|yes|)$/i.test(answer.trim());
}

function build() {
  const folders = ['src', 'workflows', 'activities', 'lab', 'test', 'bench'];
  const sources = folders.flatMap((folder) => filesBelow(join(root, folder)));
  const all = [
    ...sources,
    join(root, 'tsconfig.json'),
    join(root, 'package-lock.json'),
    join(root, 'scripts', 'build.mjs'),
  ];
  const stamp = join(root, 'dist', '.vmferry-stamp');
  const wanted = digest(all);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('compiling');
  if (run(process.execPath, [join('scripts', 'build.mjs')]) !== 0)
    giveUp('build', 'the compiler failed, see above', 'npm run build');
  writeFileSync(stamp, wanted);
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function digest(paths) {
  const hash = createHash('sha256');
  for (const path of paths.sort())
    if (statSync(path).isFile()) hash.update(path).update('\0').update(readFileSync(path));
  return hash.digest('hex');
}
