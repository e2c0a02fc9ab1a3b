import assert from 'node:assert/strict';
import test from 'node:test';
import type { Finding } from '../../src/model/finding.js';
import { detailsOf } from '../../workflows/details.js';
import { sampleStatus } from '../report/sample.js';

const finding = (severity: Finding['severity'], message: string): Finding => ({
  id: 'host.no-kvm',
  severity,
  message,
  remedy: 'Mend it.',
});

test('the current details list what stands against a migration, and count what is for information', () => {
  const of = (...findings: Finding[]) => detailsOf(sampleStatus({ findings }));
  const both = of(finding('warning', 'slow | <b>'), finding('info', 'tools'), finding('info', 'system'));
  assert.match(
    both,
    /## Findings\n\n.*\n.*\n\| warning \| slow \\\| &lt;b> \| Mend it\. \|\n\nFor information: 2 more,/,
  );
  assert.doesNotMatch(both, /tools/);
  assert.match(
    of(finding('info', 'tools')),
    /## Findings\n\nFor information: 1, which the query `getStatus` and the report/,
  );
  assert.doesNotMatch(of(), /Findings/);
});
