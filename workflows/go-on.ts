import { workflowInfo } from '@temporalio/workflow';

/** A run goes on in a new one before the server's warning limit, where the server did not ask for it earlier. */
const LONG_HISTORY = 8_000;

/** Whether the history has grown so long that the run should continue as new. */
export function isLong(): boolean {
  const info = workflowInfo();
  return info.continueAsNewSuggested || info.historyLength > LONG_HISTORY;
}

/** A wait for people is left only when it has grown by so much itself: to wait again, the next run repeats a step. */
const ROOM_EVENTS = 500;

/** Whether a wait that began now has made the history too long. */
export function lengthWatch(): () => boolean {
  const before = workflowInfo().historyLength;
  return () => isLong() && workflowInfo().historyLength > before + ROOM_EVENTS;
}

/**
 * Thrown through the main line where a step waits for long or is tried again and again: the run continues as new, and the
 * next one comes to the same step by itself. Only where no activity runs.
 */
export class GoOn extends Error {}
