import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import test from 'node:test';
import { checkManifest, parseManifest } from '../../../src/platforms/files/manifest.js';
import { fromBuffer, type RandomAccess } from '../../../src/platforms/files/random-access.js';

const A = 'a'.repeat(40);
const B = 'b'.repeat(64);
const C = 'c'.repeat(128);

test('every way of writing a manifest is read', () => {
  const lines = [
    `SHA1(vm.ovf)= ${A}`,
    `SHA256 (disk 1 (copy).vmdk) = ${B.toUpperCase()}`,
    '',
    `sha512(sub/ünï 名.vmdk)=${C}  `,
    `SHA256(odd)= name)= ${B}`,
    `SHA1(__proto__)=\t${A}`,
    ' \t',
    `SHA1(disk.vmdk.000000000)= ${A}`,
    // openssl dgst of OpenSSL 3; sha256sum ./*, sha1sum -b, sha512sum
    `SHA2-256(b.ovf)= ${B}`,
    `SHA2-512(./c.vmdk)= ${C}`,
    `${B}  ./d (1).vmdk`,
    `${A} *e.vmdk`,
    `${C}  f.vmdk`,
  ];
  const expected = [
    { file: 'vm.ovf', algorithm: 'sha1', digest: A },
    { file: 'disk 1 (copy).vmdk', algorithm: 'sha256', digest: B },
    { file: 'sub/ünï 名.vmdk', algorithm: 'sha512', digest: C },
    { file: 'odd)= name', algorithm: 'sha256', digest: B },
    { file: '__proto__', algorithm: 'sha1', digest: A },
    { file: 'disk.vmdk.000000000', algorithm: 'sha1', digest: A },
    { file: 'b.ovf', algorithm: 'sha256', digest: B },
    { file: 'c.vmdk', algorithm: 'sha512', digest: C },
    { file: 'd (1).vmdk', algorithm: 'sha256', digest: B },
    { file: 'e.vmdk', algorithm: 'sha1', digest: A },
    { file: 'f.vmdk', algorithm: 'sha512', digest: C },
  ];
  assert.deepEqual(parseManifest(lines.join('\n'), 'vm.mf'), expected);
  assert.deepEqual(parseManifest(`\ufeff${lines.join('\r\n')}\r\n`, 'vm.mf'), expected);
  assert.deepEqual(parseManifest('', 'vm.mf'), []);
});

for (const [what, line, why] of [
  ['something else', '-----BEGIN CERTIFICATE-----', /not of the form/],
  ['another algorithm', `MD5(x)= ${'a'.repeat(32)}`, /not of the form/],
  ['a digest that is too short', `SHA256(x)= ${A}`, /has 40 digits, but sha256 has 64/],
  ['a digest that is too long', `SHA1(x)= ${B}`, /has 64 digits, but sha1 has 40/],
  ['a digest that is no number', `SHA1(x)= ${'g'.repeat(40)}`, /not of the form/],
  ['a sum of another length', `${'a'.repeat(96)}  x`, /not of the form/],
  ['a sum of a name that goes up', `${B}  ./../x`, /is no name of a file/],
  ['a file that it has already, by another form', `${B}  ./vm.ovf`, /a second digest for "vm\.ovf"/],
  ['no digest', 'SHA1(x)= ', /not of the form/],
  ['no name', `SHA1()= ${A}`, /not of the form/],
  ['a name that goes up', `SHA1(../../etc/passwd)= ${A}`, /"\.\.\/\.\.\/etc\/passwd" is no name of a file/],
  ['an absolute name', `SHA1(/etc/passwd)= ${A}`, /is no name of a file/],
  ['a name with a control character', `SHA1(a\u0000b)= ${A}`, /is no name of a file/],
  ['a name like an address', `SHA1(nbd:unix:/x)= ${A}`, /is no name of a file/],
  ['a file that it has already', `SHA256(vm.ovf)= ${B}`, /a second digest for "vm\.ovf"/],
  ['more than a line holds', `SHA1(${'x'.repeat(5000)})= ${A}`, /not of the form/],
  ['a line of nothing but brackets', `SHA1(${')=a'.repeat(1300)}z`, /not of the form/],
] as const) {
  test(`a manifest with ${what} is refused, naming the line`, () => {
    const text = `\ufeffSHA1(vm.ovf)= ${A}\r\n\r\n${line}\r\n`;
    assert.throws(
      () => parseManifest(text, 'vm.mf'),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'HostileInput');
        assert.match(error.message, /cannot accept vm\.mf: line 3: /);
        assert.match(error.message, why);
        return true;
      },
    );
  });
}

test('a manifest without end is refused', () => {
  const long = Array.from({ length: 10_001 }, (_, at) => `SHA1(f${at})= ${A}`).join('\n');
  assert.throws(() => parseManifest(long, 'vm.mf'), { code: 'HostileInput', message: /line 10001: .*more than 10000/ });
  assert.throws(() => parseManifest('\n'.repeat(5_000_000), 'vm.mf'), { code: 'HostileInput' });
});

const DISK = randomBytes(5 * 1024 * 1024 + 3);
const OVF = Buffer.from('<Envelope/>');

function packageOf(files: Record<string, Buffer>): Map<string, RandomAccess> {
  return new Map(Object.entries(files).map(([name, bytes]) => [name, fromBuffer(bytes, name)]));
}

function manifestOf(files: Record<string, Buffer>, algorithm: string): string {
  const digest = (bytes: Buffer) => createHash(algorithm).update(bytes).digest('hex');
  return Object.entries(files)
    .map(([name, bytes]) => `${algorithm.toUpperCase()}(${name})= ${digest(bytes)}\n`)
    .join('');
}

for (const algorithm of ['sha1', 'sha256', 'sha512']) {
  test(`a package whose files are as its manifest says, by ${algorithm}, is accepted`, async () => {
    const files = { 'vm.ovf': OVF, 'disk.vmdk': DISK, empty: Buffer.alloc(0) };
    const told: number[] = [];
    const found = await checkManifest(parseManifest(manifestOf(files, algorithm), 'vm.mf'), packageOf(files), {
      onProgress: (readBytes) => told.push(readBytes),
    });
    assert.deepEqual(found, { unlisted: [] });
    assert.equal(told.at(-1), OVF.length + DISK.length);
    assert.ok(told.length >= 4, 'progress within a file');
  });
}

test('files that the manifest does not name are told, but for itself and the certificate', async () => {
  const entries = parseManifest(manifestOf({ 'vm.ovf': OVF }, 'sha256'), 'vm.mf');
  const members = packageOf({ 'vm.ovf': OVF, 'vm.mf': OVF, 'vm.cert': OVF, 'disk.vmdk': DISK, 'vm.mf.exe': OVF });
  assert.deepEqual(await checkManifest(entries, members), { unlisted: ['disk.vmdk', 'vm.mf.exe'] });
});

test('a file that was changed is refused, with both digests', async () => {
  const changed = Buffer.from(DISK);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  const files = { 'vm.ovf': OVF, 'disk.vmdk': DISK };
  const entries = parseManifest(manifestOf(files, 'sha256'), 'vm.mf');
  const [is, said] = [changed, DISK].map((bytes) => createHash('sha256').update(bytes).digest('hex'));
  await assert.rejects(checkManifest(entries, packageOf({ ...files, 'disk.vmdk': changed })), {
    code: 'HostileInput',
    message: `[files] cannot accept the package: the SHA256 of "disk.vmdk" is ${is}, but its manifest says ${said}`,
  });
});

test('a manifest that names a file which is not there is refused before anything is read', async () => {
  const entries = parseManifest(manifestOf({ 'vm.ovf': OVF, 'gone.vmdk': DISK }, 'sha1'), 'vm.mf');
  const unread: RandomAccess = { name: 'vm.ovf', sizeBytes: 11, read: () => Promise.reject(new Error('was read')) };
  await assert.rejects(checkManifest(entries, new Map([['vm.ovf', unread]])), {
    code: 'HostileInput',
    message: /names "gone\.vmdk", which is not there/,
  });
});

test('a file that cannot be read says so, and a check that is cancelled ends', async () => {
  const entries = parseManifest(manifestOf({ 'disk.vmdk': DISK }, 'sha1'), 'vm.mf');
  const broken: RandomAccess = {
    name: 'disk.vmdk',
    sizeBytes: DISK.length,
    read: (at) => (at > 0 ? Promise.reject(new Error('lost')) : Promise.resolve(DISK.subarray(0, 2 * 1024 * 1024))),
  };
  await assert.rejects(checkManifest(entries, new Map([['disk.vmdk', broken]])), /lost/);
  const stop = new AbortController();
  const running = checkManifest(entries, packageOf({ 'disk.vmdk': DISK }), {
    signal: stop.signal,
    onProgress: () => stop.abort(new Error('enough')),
  });
  await assert.rejects(running, /enough/);
});
