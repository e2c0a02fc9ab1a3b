import { ASSUMED } from '../src/model/estimate.js';
import type { PassRecord, Prediction } from '../src/model/status.js';
import type { RehearsalResult } from '../activities/io.js';

/** Downtime if cutover began now: from the passes so far and the last rehearsal. Null before the first whole pass. */
export function predict(
  passes: readonly PassRecord[],
  rehearsal: RehearsalResult | null,
  nowMs: number,
  converts = false,
): Prediction | null {
  const last = passes.at(-1);
  if (!last) return null;
  const tracked = last.tracking === 'bitmap' || passes.length === 1;
  const deltas = passes.filter((each) => each.kind === 'delta');
  const usual = deltas.at(-1) ?? last;
  const finalMs =
    deltas.length > 0 ? usual.durationMs : tracked ? Math.min(last.durationMs, ASSUMED.deltaMs) : last.durationMs;
  const parts = [
    {
      name: 'stop',
      ms: rehearsal?.stopMs ?? ASSUMED.stopMs,
      how: rehearsal?.stopMs ? 'as the rehearsal took' : 'assumed, not measured',
    },
    {
      name: 'final pass',
      ms: finalMs,
      how: deltas.length > 0 ? `as pass ${usual.number} took` : 'assumed from the seed',
    },
    ...(converts ? [conversionPart(rehearsal)] : []),
    {
      name: 'define',
      ms: rehearsal?.defineMs ?? ASSUMED.defineMs,
      how: rehearsal ? 'as the rehearsal took' : 'assumed, not measured',
    },
    {
      name: 'boot',
      ms: rehearsal?.bootMs ?? ASSUMED.bootMs,
      how: rehearsal?.bootMs ? 'as the rehearsal took' : 'assumed, not measured',
    },
    { name: 'steps', ms: ASSUMED.stepsMs, how: 'fixed' },
  ].map((part) => ({ ...part, ms: Math.round(part.ms) }));
  // Downtime begins when the guest is off, so its stopping is shown but not counted.
  const downtimeMs = parts.reduce((sum, part) => (part.name === 'stop' ? sum : sum + part.ms), 0);
  return { downtimeMs, parts, at: new Date(nowMs).toISOString() };
}

/** A guest that the rehearsal left as it was is left alone at the cutover, too. */
function conversionPart(rehearsal: RehearsalResult | null): Prediction['parts'][number] {
  const name = 'conversion';
  const done = rehearsal?.conversion;
  if (!done) return { name, ms: ASSUMED.conversionMs, how: 'assumed, not measured' };
  if (done.kind === 'none') return { name, ms: 0, how: 'the rehearsal found nothing to change' };
  return { name, ms: done.tookMs, how: 'as the rehearsal took' };
}
