/**
 * Works on tasks in order of their coming, `width` at a time. The first error stops the rest: `stop` is called, what
 * runs is waited for, and the error is thrown.
 */
export async function runPipeline<T>(
  tasks: AsyncIterable<T>,
  width: number,
  work: (task: T) => Promise<void>,
  stop: () => void,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | null = null;
  const fail = (error: unknown): void => {
    failure ??= { error };
    stop();
  };
  try {
    for await (const task of tasks) {
      const run: Promise<void> = work(task)
        .catch(fail)
        .finally(() => running.delete(run));
      running.add(run);
      if (running.size >= width) await Promise.race(running);
      if (failure) break;
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(running);
  if (failure) throw (failure as { error: unknown }).error;
}
