import type { PassRecord, Prediction } from '../src/model/status.js';
import type { RehearsalResult } from '../activities/io.js';

/** Assumed where nothing was measured yet; said so in the prediction. */
const ASSUMED_STOP_MS = 30_000;
const ASSUMED_BOOT_MS = 60_000;
const ASSUMED_DEFINE_MS = 3_000;
/** Starting the domain, plugging its network and the hops between the steps. */
const STEPS_MS = 1_000;

/** Downtime if cutover began now: from the passes so far and the last rehearsal. Null before the first whole pass. */
export function predict(
  passes: readonly PassRecord[],
  rehearsal: RehearsalResult | null,
  nowMs: number,
): Prediction | null {
  const last = passes.at(-1);
  if (!last) return null;
  const tracked = last.tracking === 'bitmap' || passes.length === 1;
  const deltas = passes.filter((each) => each.kind === 'delta');
  const usual = deltas.at(-1) ?? last;
  const finalMs = deltas.length > 0 ? usual.durationMs : tracked ? Math.min(last.durationMs, 5_000) : last.durationMs;
  const parts = [
    {
      name: 'stop',
      ms: rehearsal?.stopMs ?? ASSUMED_STOP_MS,
      how: rehearsal?.stopMs ? 'as the rehearsal took' : 'assumed, not measured',
    },
    {
      name: 'final pass',
      ms: finalMs,
      how: deltas.length > 0 ? `as pass ${usual.number} took` : 'assumed from the seed',
    },
    {
      name: 'define',
      ms: rehearsal?.defineMs ?? ASSUMED_DEFINE_MS,
      how: rehearsal ? 'as the rehearsal took' : 'assumed, not measured',
    },
    {
      name: 'boot',
      ms: rehearsal?.bootMs ?? ASSUMED_BOOT_MS,
      how: rehearsal?.bootMs ? 'as the rehearsal took' : 'assumed, not measured',
    },
    { name: 'steps', ms: STEPS_MS, how: 'fixed' },
  ].map((part) => ({ ...part, ms: Math.round(part.ms) }));
  // Downtime begins when the guest is off, so its stopping is shown but not counted.
  const downtimeMs = parts.reduce((sum, part) => (part.name === 'stop' ? sum : sum + part.ms), 0);
  return { downtimeMs, parts, at: new Date(nowMs).toISOString() };
}
