import { VmferryError } from '../src/errors.js';
import { LocalHost } from '../src/exec/local.js';
import { signalOf } from './context.js';
import type { ActivityDeps } from './deps.js';
import type { MigrationActivities } from './io.js';

const TIMEOUT_MS = 30_000;

/** Tells somebody: a webhook by POST, or a command that the configuration names, with the notice as JSON. */
export function notifyActivities(deps: ActivityDeps): Pick<MigrationActivities, 'answer' | 'notify'> {
  return {
    answer: () => Promise.resolve(),
    async notify({ notify, notice }) {
      const body = JSON.stringify({ version: 1, ...notice });
      if (notify.webhook) await post(notify.webhook, body);
      if (notify.hook) await runHook(deps, notify.hook, body);
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
    throw new VmferryError(
      'Unreachable',
      `cannot notify ${shown}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
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
