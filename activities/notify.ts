import { VmferryError } from '../src/errors.js';
import { LocalHost } from '../src/exec/local.js';
import { signalOf } from './context.js';
import type { ActivityDeps } from './deps.js';
import type { MigrationActivities } from './io.js';

const TIMEOUT_MS = 30_000;

/**
 * Tells somebody: a webhook by POST, a command that the configuration names, or both, with the notice as JSON. Where one
 * of both fails, the other is told all the same, and told again when the step is tried again.
 */
export function notifyActivities(deps: ActivityDeps): Pick<MigrationActivities, 'answer' | 'notify'> {
  return {
    answer: () => Promise.resolve(),
    async notify({ notify, notice }) {
      const body = JSON.stringify({ version: 1, ...notice });
      const told = await Promise.allSettled([
        notify.webhook && post(notify.webhook, body),
        notify.hook && runHook(deps, notify.hook, body),
      ]);
      for (const each of told) if (each.status === 'rejected') throw each.reason;
    },
  };
}

async function post(url: string, body: string): Promise<void> {
  // The path of a webhook is often its secret: only its origin is shown.
  const shown = new URL(url).origin;
  try {
    const signal = AbortSignal.any([signalOf(), AbortSignal.timeout(TIMEOUT_MS)]);
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
      redirect: 'error',
      signal,
    });
    await response.body?.cancel();
    if (!response.ok) throw new VmferryError('ToolFailed', `cannot notify ${shown}: it answered ${response.status}`);
  } catch (error) {
    if (error instanceof VmferryError) throw error;
    throw new VmferryError('Unreachable', `cannot notify ${shown}: ${whyOf(error)}`, { cause: error });
  }
}

/** Of a failed fetch, the reason is in its cause; that of a name with several addresses has only a code. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return cause.message || ('code' in cause ? String(cause.code) : error.message);
}

async function runHook(deps: ActivityDeps, name: string, body: string): Promise<void> {
  const command = deps.config.hooks[name];
  if (!command) {
    const known = Object.keys(deps.config.hooks).join(', ') || 'none';
    throw new VmferryError('NotFound', `there is no hook "${name}"`, { remedy: `Hooks in vmferry.yaml: ${known}.` });
  }
  const [program, ...args] = command;
  await new LocalHost().run(program!, args, { input: body, timeoutMs: TIMEOUT_MS, signal: signalOf() });
}
