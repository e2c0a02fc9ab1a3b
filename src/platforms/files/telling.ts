/** So long may something take before a word is said of it, and between two. */
const EVERY_MS = 5_000;

/** Says in a line what goes on, every five seconds and no sooner. */
export function telling(
  tell: ((line: string) => void) | undefined,
  now: () => number = Date.now,
): (line: () => string) => void {
  let said = now();
  return (line) => {
    if (tell === undefined || now() - said < EVERY_MS) return;
    said = now();
    tell(line());
  };
}
