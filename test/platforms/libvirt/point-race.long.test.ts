import assert from 'node:assert/strict';
import test from 'node:test';
import { beginLive } from '../../../src/platforms/libvirt/live-point.js';
import { survey } from '../../../src/platforms/libvirt/survey.js';
import { jobRuns, request, running, usePointLab } from './point-lab.js';

const lab = usePointLab();

// libvirt lets the second wait for half a minute.
test('one that comes late does not take the job of a quicker try for somebody else’s', async () => {
  await running(lab.host);
  const seen = await survey(lab.at, 'vm');
  const quicker = await lab.source.openPoint(request(2));
  assert.equal(await beginLive(lab.at, request(1), seen), null);
  assert.equal(await jobRuns(lab.host), true);
  await quicker.end();
});
