import { CancellationScope } from '@temporalio/workflow';
import type { Notice } from '../activities/io.js';
import type { Line } from './line.js';
import { NobodyThere, troubleOf } from './trouble.js';

/** What goes to people and workers beside the line of work. */

/** Calls the request's webhook or hook; a failure changes nothing. `last`: a site that may have no worker. */
export async function tell(
  line: Line,
  event: Notice['event'],
  text: string,
  last: string | null = null,
): Promise<void> {
  const { migration } = line;
  const { notify } = migration.request;
  if (!notify || !migration.sitesExist) return;
  const { ref } = migration;
  const { migrationId, vm, source, target, phase, decisions } = migration.status;
  const notice: Notice = { event, text, status: { migrationId, vm, source, target, phase, decisions } };
  try {
    await atEither(line, last, (site) =>
      line.once('notify', site, 'brief', `notify: ${event}`, { ref, notify, notice }),
    );
  } catch (error) {
    migration.event(`the notification of ${event} failed: ${troubleOf(error).message}`);
  }
}

/** Writes the report; without it the migration ends all the same. */
export async function writeReport(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, marks, status } = migration;
  if (!migration.sitesExist) return;
  try {
    const { path } = await atEither(line, marks.targetConfirmedDown ? ref.target : null, (site) =>
      line.once('writeReport', site, 'patient', 'write the report', status),
    );
    status.reportPath = path;
  } catch (error) {
    migration.event(`the report was not written: ${troubleOf(error).message}; \`vmferry report\` writes it again`);
  }
}

/** By a worker for the target, or else for the source; the other way round where `last` names the target. */
async function atEither<T>(line: Line, last: string | null, run: (site: string) => Promise<T>): Promise<T> {
  const { source, target } = line.migration.ref;
  const [first, second] = last === target ? [source, target] : [target, source];
  try {
    return await run(first);
  } catch (error) {
    if (!(error instanceof NobodyThere)) throw error;
    return await run(second);
  }
}

/** Asks the workers of a site for an answer, however long that takes: it costs nothing until one is there. */
export function awaitWorker(line: Line, site: string): { came: boolean; end(): Promise<void> } {
  const { migration } = line;
  const scope = new CancellationScope();
  const asking = scope
    .run(() => line.once('answer', site, 'waiting', `wait for a worker for ${site}`, migration.ref))
    .then(
      () => {
        answer.came = true;
        migration.event(`a worker for ${site} answers`);
      },
      // Cancelled by `end`; whatever else it is, a human can still go on.
      () => undefined,
    );
  const answer = {
    came: false,
    async end() {
      scope.cancel();
      await asking;
    },
  };
  return answer;
}
