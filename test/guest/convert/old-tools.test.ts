import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { LocalHost } from '../../../src/exec/local.js';
import { applianceTree } from '../../../src/guest/appliance-tree.js';
import { removeOldTools, type PackagesOf } from '../../../src/guest/convert/old-tools.js';

/** Removal of the old platform's tools by what the guest's package manager knows of them. */

const machine = new LocalHost();

/** A guest in a folder; its programs run on this machine, told to work in that folder. No links, and nothing else runs. */
function guestIn(root: string, asThere: (words: readonly string[]) => string[] = () => []) {
  const at = (path: string) => join(root, path);
  const file = async (path: string) =>
    (await stat(at(path)).catch(() => null))?.isFile() ? await readFile(at(path)) : null;
  return {
    fileBytes: async (path: string) => (await file(path))?.length ?? null,
    download: file,
    maybe: async ([command, path = '']: readonly [string, ...(string | readonly string[])[]]) => {
      const folder = await readdir(at(String(path))).catch(() => null);
      if (command === 'is-dir') return String(folder !== null);
      return (folder ?? []).map((name) => `${name}\0`).join('');
    },
    command: async ([, words]: readonly [string, ...(string | readonly string[])[]]) => {
      const [program = 'false', ...args] = asThere(typeof words === 'string' ? [words] : (words ?? []));
      return (await machine.run(program, args)).stdout;
    },
  };
}

async function folderOf(t: { after(work: () => Promise<void>): void }, files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'vmferry-tools-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries({ '/usr/bin/vmtoolsd': 'x', ...files })) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

function seen(packageFormat: string | null = null, packages: string[] = []): PackagesOf {
  const unknown = { distribution: null, version: null, productName: null, architecture: null, hostname: null };
  const applications = packages.map((name) => ({ name, version: '1' }));
  return { os: { kind: 'linux', packageFormat, ...unknown }, applications };
}

/** `packages`: as libguestfs lists them, after their format. */
async function said(root: string, [packageFormat, ...packages]: string[] = []): Promise<string[]> {
  const guest = guestIn(root);
  const { changes, findings } = await removeOldTools(guest, applianceTree(guest), seen(packageFormat, packages));
  assert.deepEqual(changes, []);
  return findings.map(({ id, message, remedy }) => `${id} ${message} ${remedy}`);
}

test('dpkg removes the tools with all that needs them', async (t) => {
  const root = await folderOf(t, {
    '/var/lib/dpkg/status': '',
    '/var/lib/dpkg/available': '',
    '/var/lib/dpkg/info/x.list': '',
  });
  await mkdir(join(root, 'var/lib/dpkg/updates'));
  const dpkg = ['dpkg', `--root=${root}`, '--force-not-root', '--force-bad-path', '--log=/dev/null'];
  for (const [name, depends] of [
    ['open-vm-tools', ''],
    ['open-vm-tools-sdmp', 'Depends: open-vm-tools\n'],
    ['open-vm-tools-containerinfo', 'Depends: open-vm-tools\n'],
  ] as const) {
    const made = join(root, 'made', name);
    await mkdir(join(made, 'DEBIAN'), { recursive: true });
    const control = `Package: ${name}\nVersion: 12.1\nArchitecture: all\nMaintainer: x <x@example.org>\n${depends}Description: x\n`;
    await writeFile(join(made, 'DEBIAN/control'), control);
    await machine.run('dpkg-deb', ['--build', '--root-owner-group', made, `${made}.deb`]);
    await machine.run('env', [...dpkg, '-i', `${made}.deb`]);
  }
  const guest = guestIn(root, (words) => words.flatMap((word) => (word === 'dpkg' ? dpkg : [word])));
  const { changes } = await removeOldTools(guest, applianceTree(guest), seen('deb'));
  assert.deepEqual(changes, [
    'removed the tools of VMware: open-vm-tools, open-vm-tools-sdmp, open-vm-tools-containerinfo',
  ]);
  assert.equal(await readFile(join(root, 'var/lib/dpkg/status'), 'utf8'), '');
});

test('packages of apk and pacman stay, and it is said how they are removed', async (t) => {
  const root = await folderOf(t, {});
  assert.deepEqual(await said(root, ['apk', 'musl', 'open-vm-tools', 'open-vm-tools-guestinfo']), [
    'guest.tools-kept The tools of VMware stay in the guest (open-vm-tools open-vm-tools-guestinfo: packages of apk are not removed here). Remove them in the guest after it has moved: `apk del open-vm-tools open-vm-tools-guestinfo`; where their platform is missing they do nothing.',
  ]);
  assert.match(
    (await said(root, ['pacman', 'glibc', 'open-vm-tools', '`x`'])).join(),
    /\(open-vm-tools: packages of pacman .*`pacman -Rns open-vm-tools`;/,
  );
});

test('of tools that no package brought, nothing is said of packages', async (t) => {
  const own = { '/usr/bin/vmware-uninstall-tools.pl': '' };
  assert.match(
    (await said(await folderOf(t, own), ['apk', 'musl'])).join(),
    /\(\/usr\/bin\/vmware-uninstall-tools.pl: they came by/,
  );
  assert.match((await said(await folderOf(t, {}))).join(), /\(the guest has no package manager known here\)/);
  const dpkg = { '/var/lib/dpkg/status': '', '/var/lib/dpkg/info/x.list': '' };
  assert.match((await said(await folderOf(t, dpkg))).join(), /\(no package known here brought them\)/);
});
