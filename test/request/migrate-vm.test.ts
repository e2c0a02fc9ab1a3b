import assert from 'node:assert/strict';
import test from 'node:test';
import { VmferryError } from '../../src/errors.js';
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
  ['of no time zone', { timeZone: undefined }, [/^cutover\.window\.timeZone: given nothing, expected string/]],
  [
    'of no time of day',
    { from: '24:00', to: '4:00' },
    [/^cutover\.window\.from: given "24:00", expected a time of day/, /^cutover\.window\.to: given "4:00"/],
  ],
  ['on no day', { days: [] }, [/^cutover\.window\.days: given \[\], /]],
  ['on an unknown day', { days: ['so'] }, [/^cutover\.window\.days\.0: given "so", .*"mon"\|"tue"/]],
  ['with something else in it', { until: '05:00' }, [/^cutover\.window\.until: unknown field$/]],
] as const) {
  test(`a window ${what} is refused, and the line says what is expected`, () => {
    const given = refused({ ...least, cutover: { window: { ...window, ...wrong } } });
    assert.equal(given.length, lines.length, given.join('\n'));
    lines.forEach((line, index) => assert.match(given[index]!, line));
  });
}

test('times without an offset, and durations that are none or beyond all reckoning, are refused', () => {
  for (const at of ['2026-11-22T22:00:00', '2026-02-30T22:00:00Z', 'tomorrow'])
    assert.match(refused({ ...least, cutover: { at } }).join(), /^cutover\.at: .*expected a time with an offset/);
  for (const approvalExpiry of ['soon', '-1d', '10', '3651d', '14000000w'])
    assert.match(
      refused({ ...least, cutover: { approvalExpiry } }).join(),
      /^cutover\.approvalExpiry: .*expected a duration such as/,
    );
});
