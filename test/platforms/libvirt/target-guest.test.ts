import test from 'node:test';
import { journey, stoppedJourney, useTargetHost } from './target-journey.js';

useTargetHost();

test('a guest is rehearsed without a way out, cut over unplugged, and ends as one qcow2 file a disk', () =>
  journey('bios', 'qcow2'));

test('a guest that is off is finalized all the same, and its files are whole', () => stoppedJourney());
