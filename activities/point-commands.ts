import { VmferryError } from '../src/errors.js';
import { runAfter, runBefore, type TimedCommand } from '../src/guest/prepare/point-commands.js';
import type { GuestAccess } from '../src/guest/prepare/script.js';
import type { OpenPoint } from '../src/platforms/platform.js';
import type { GuestCommand } from '../src/request/prepare-guest.js';
import { parseDurationMs } from '../src/request/units.js';
import { signalOf } from './context.js';
import type { Site } from './deps.js';
import { insideOf } from './inside-guest.js';
import type { PassInput } from './io.js';

/**
 * Takes a point of a running guest with the commands that the request names run before and after it. A point that stands
 * from an earlier try is only followed by those after. What fails follows `quiesce`: it is refused, or noted.
 */
export async function withPointCommands(
  source: Site,
  input: PassInput,
  stands: boolean,
  open: () => Promise<OpenPoint>,
): Promise<OpenPoint> {
  if (!input.commands) return await open();
  const [before, after] = [timed(input.commands.before), timed(input.commands.after)];
  const notes: string[] = [];
  let point: OpenPoint;
  try {
    if (!stands && before.length > 0) {
      await runBefore(insideOf(source, input), before, after).catch((error: unknown) => {
        if (input.quiesce === 'required' || !isUnwilling(error)) throw error;
        notes.push(error.message);
      });
    }
    point = await open();
  } finally {
    if (after.length > 0) notes.push(...(await follow(untilDone(source, input), after)));
  }
  return { ...point, note: [point.note, ...notes].filter(Boolean).join('; ') || null };
}

/** The guest runs them by itself where this fails. */
async function follow(inside: GuestAccess, after: readonly TimedCommand[]): Promise<string[]> {
  try {
    return await runAfter(inside, after);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

/** Not with the activity's own signal: what a command before holds is let go when cancelled, too. */
function untilDone(source: Site, { vm, migrationId }: PassInput): GuestAccess {
  return { migrationId, exec: (command, options) => source.guestExec(vm, command, options) };
}

function timed(commands: readonly GuestCommand[]): TimedCommand[] {
  return commands.map(({ run, timeout }) => ({ run, timeoutMs: parseDurationMs(timeout)! }));
}

function isUnwilling(error: unknown): error is VmferryError {
  signalOf().throwIfAborted();
  return error instanceof VmferryError && error.code === 'GuestUnwilling';
}
