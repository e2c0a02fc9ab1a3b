import assert from 'node:assert/strict';
import test from 'node:test';
import { VmferryError } from '../../src/errors.js';
import { assessFleetRequest } from '../../src/request/assess-fleet.js';
import { migrateVmRequest } from '../../src/request/migrate-vm.js';
import { parseRequest } from '../../src/request/parse.js';

const least = { vm: 'web01', source: 'dc-old', target: 'dc-new' };

/** The lines with which a request is refused. */
function refused(request: unknown): string[] {
  try {
    parseRequest(migrateVmRequest, request, 'the request');
  } catch (error) {
    assert.ok(error instanceof VmferryError && error.code === 'InvalidRequest');
    return error.details['fields'] as string[];
  }
  throw new Error('accepted');
}

const window = { from: '22:00', to: '04:00', timeZone: 'Europe/Berlin' };

test('a window over midnight, on some days, is accepted', () => {
  const { cutover } = parseRequest(
    migrateVmRequest,
    { ...least, cutover: { window: { ...window, days: ['sat', 'sun'] } } },
    'the request',
  );
  assert.deepEqual(cutover.window, { ...window, days: ['sat', 'sun'] });
});

for (const [what, wrong, lines] of [
  ['that begins when it ends', { to: '22:00' }, [/^cutover\.window: given .*, from and to must differ$/]],
  [
    'of an unknown time zone',
    { timeZone: 'Europe/Atlantis' },
    [/^cutover\.window\.timeZone: given "Europe\/Atlantis", expected a time zone such as "Europe\/Berlin"$/],
  ],
  [
    'of no time zone',
    { timeZone: undefined },
    [/^cutover\.window\.timeZone: given nothing, expected a time zone such as/],
  ],
  [
    'of no time of day',
    { from: '24:00', to: '4:00' },
    [/^cutover\.window\.from: given "24:00", expected a time of day/, /^cutover\.window\.to: given "4:00"/],
  ],
  ['on no day', { days: [] }, [/^cutover\.window\.days: given \[\], expected a list of at least 1 element$/]],
  [
    'on an unknown day',
    { days: ['so'] },
    [/^cutover\.window\.days\.0: given "so", expected "mon", "tue", .* or "sun"$/],
  ],
  ['with something else in it', { until: '05:00' }, [/^cutover\.window\.until: unknown field$/]],
] as const) {
  test(`a window ${what} is refused, and the line says what is expected`, () => {
    const given = refused({ ...least, cutover: { window: { ...window, ...wrong } } });
    assert.equal(given.length, lines.length, given.join('\n'));
    lines.forEach((line, index) => assert.match(given[index]!, line));
  });
}

test('what a wrong field is to be is said in plain words, once for each field', () => {
  const request = {
    vm: '',
    source: 7,
    targetName: 7,
    cpus: 1.5,
    memory: 4,
    dryRun: 'yes',
    diskFormat: 'iso',
    networks: { '': 'lan' },
    excludeDisks: 'vdb',
    sync: { interval: 5, maxPasses: 0 },
    probes: [{ kind: 'ping' }, { kind: 'tcp', port: 99_999 }, { kind: 'http', url: 'ftp://x' }],
    notify: { webhook: 'x' },
    wave: 1,
  };
  assert.deepEqual(refused(request).sort(), [
    'cpus: given 1.5, expected a whole number',
    'diskFormat: given "iso", expected "qcow2", "raw", "qcow", "vmdk", "vpc", "vhdx" or "vdi"',
    'dryRun: given "yes", expected true or false',
    'excludeDisks: given "vdb", expected a list',
    'memory: given 4, expected a size such as "512MiB" or "20GiB"',
    'networks: given the name "", expected a text of at least 1 character',
    'notify.webhook: given "x", expected a URL that begins with http:// or https://',
    'probes.0.kind: given "ping", expected "tcp", "http", "agent" or "console"',
    'probes.1.port: given 99999, expected at most 65535',
    'probes.2.url: given "ftp://x", expected a URL that begins with http:// or https://',
    'source: given 7, expected a site\'s name: small letters, digits and "-"',
    'sync.interval: given 5, expected a duration such as "90s", "10m" or "7d"',
    'sync.maxPasses: given 0, expected at least 1',
    'target: given nothing, expected a site\'s name: small letters, digits and "-"',
    "targetName: given 7, expected a VM's name",
    'vm: given "", expected a VM\'s name',
    'wave: unknown field',
  ]);
});

test('times without an offset, and durations that are none or beyond all reckoning, are refused', () => {
  for (const at of ['2026-11-22T22:00:00', '2026-02-30T22:00:00Z', 'tomorrow'])
    assert.match(refused({ ...least, cutover: { at } }).join(), /^cutover\.at: .*expected a time with an offset/);
  for (const approvalExpiry of ['soon', '-1d', '10', '3651d', '14000000w'])
    assert.match(
      refused({ ...least, cutover: { approvalExpiry } }).join(),
      /^cutover\.approvalExpiry: .*expected a duration such as/,
    );
});

test('what single fields allow and cannot be together is refused before anything is started', () => {
  assert.deepEqual(refused({ ...least, target: 'dc-old' }), [
    'target: given "dc-old", expected another site than the source',
  ]);
  assert.deepEqual(refused({ ...least, package: 'ova', diskFormat: 'vhdx' }), [
    'diskFormat: given "vhdx", expected "vmdk" in a package of the kind ova',
  ]);
  assert.match(
    refused({ ...least, diskFormat: 'vdi' })[0]!,
    /^diskFormat: given "vdi", expected "qcow2" or .* where no package/,
  );
  const images = { ...least, package: 'images', conversion: 'light', devices: 'virtio' };
  assert.deepEqual(
    refused(images).map((line) => line.replace(/ in a package.*/, '')),
    ['conversion: given "light", expected "auto" or "none"', 'devices: given "virtio", expected "auto" or "as-source"'],
  );
  for (const fine of [
    { diskFormat: 'vmdk' },
    { package: 'ovf', diskFormat: 'vhdx' },
    { package: 'images', diskFormat: 'vdi', conversion: 'none' },
    { package: 'libvirt-xml', conversion: 'full', devices: 'virtio' },
  ])
    assert.equal(parseRequest(migrateVmRequest, { ...least, ...fine }, 'the request').vm, 'web01');
  assert.throws(() => parseRequest(assessFleetRequest, { source: 'dc-old', target: 'dc-old' }, 'the request'), {
    message: /another site/,
  });
});
