import { ASSUMED, type Estimate } from '../model/estimate.js';
import { formatBytes } from '../model/format.js';
import { copiedDisks, type Facts } from './rule.js';
import { msAt, untracked } from './tracking.js';

const NOT_MEASURED = 'assumed, not measured';

/** How long the copy takes and how long the VM will be off. The words are those of the prediction that passes and rehearsal give later. */
export function estimateMove(facts: Facts): Estimate {
  const disks = copiedDisks(facts);
  const { rate } = facts;
  const copyBytes = disks.reduce((sum, { disk, planned }) => sum + (disk.allocatedBytes ?? planned.sizeBytes), 0);
  const unknown = disks.filter(({ disk }) => disk.allocatedBytes === null).map(({ disk }) => disk.id);
  const what =
    unknown.length === 0
      ? 'what the images take at the source'
      : `what the images take at the source, and the whole size of ${unknown.join(', ')}, of which that is not known`;
  const copy = {
    copyBytes,
    copyMs: Math.round(msAt(rate, copyBytes)),
    copyHow: `${formatBytes(copyBytes)} (${what}) at ${rate.words.replace(/,$/, '')}`,
    rateBytesPerSecond: Math.round(rate.bytesPerSecond),
  };
  if (!facts.source.running) {
    return { ...copy, downtimeMs: 0, downtimeHow: 'The VM is off: its move interrupts nothing.', parts: [] };
  }
  if (facts.package !== null) {
    const downtimeHow = 'The source is stopped for good, and nothing is started at the target.';
    return { ...copy, downtimeMs: null, downtimeHow, parts: [] };
  }
  const whole = untracked(facts);
  const wholeBytes = whole.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  const names = whole.map(({ id }) => id).join(', ');
  const parts = [
    { name: 'stop', ms: ASSUMED.stopMs, how: NOT_MEASURED },
    {
      name: 'final pass',
      ms: Math.round(ASSUMED.deltaMs + msAt(rate, wholeBytes)),
      how:
        whole.length === 0
          ? `changed blocks only; ${NOT_MEASURED}`
          : `reads and compares ${names} whole: ${formatBytes(wholeBytes)} at ${rate.words.replace(/,$/, '')}`,
    },
    ...(facts.devicesFrom ? [{ name: 'conversion', ms: ASSUMED.conversionMs, how: NOT_MEASURED }] : []),
    { name: 'define', ms: ASSUMED.defineMs, how: NOT_MEASURED },
    { name: 'boot', ms: ASSUMED.bootMs, how: NOT_MEASURED },
    { name: 'steps', ms: ASSUMED.stepsMs, how: 'fixed' },
  ];
  const downtimeMs = parts.reduce((sum, { name, ms }) => (name === 'stop' ? sum : sum + ms), 0);
  const downtimeHow =
    whole.length === 0
      ? 'A final pass of what changed, and the boot at the target, both assumed; a rehearsal measures the boot.'
      : `Changes of ${names} are not tracked, so the final pass reads them whole while the VM is off; that, and an assumed boot at the target.`;
  return { ...copy, downtimeMs, downtimeHow, parts };
}
