import test from 'node:test';
import { journey, useTargetHost } from './target-journey.js';

useTargetHost();

test('a UEFI guest keeps its variables and ends as one raw file a disk', () => journey('uefi', 'raw'));
