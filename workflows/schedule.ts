import type { CutoverWindow } from '../src/request/migrate-vm.js';

const MINUTE_MS = 60_000;
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
/** A window comes once a week, and once in two where its hour is left out by a change of clocks; two days to spare. */
const SEARCH_MS = 16 * 24 * 60 * MINUTE_MS;

/** Making a format takes longer than using it, and a window is searched minute by minute. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  formats.set(timeZone, made);
  return made;
}

/** Day of the week and minutes since midnight in a time zone. */
function wallClock(atMs: number, timeZone: string): { day: (typeof DAYS)[number]; minutes: number } {
  const parts = formatOf(timeZone).formatToParts(atMs);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '';
  return {
    day: part('weekday').toLowerCase() as (typeof DAYS)[number],
    minutes: Number(part('hour')) * 60 + Number(part('minute')),
  };
}

function minutesOf(text: string): number {
  const [hours, minutes] = text.split(':').map(Number);
  return hours! * 60 + minutes!;
}

/** Whether a cutover may begin at `atMs`. Over midnight, the day is the one on which the window opened. */
export function insideWindow(window: CutoverWindow, atMs: number): boolean {
  const { day, minutes } = wallClock(atMs, window.timeZone);
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  const opensToday = from < to ? minutes >= from && minutes < to : minutes >= from;
  const openedYesterday = from > to && minutes < to;
  const allowed = (name: string) => window.days === undefined || window.days.some((each) => each === name);
  const yesterday = DAYS[(DAYS.indexOf(day) + 6) % 7]!;
  return (opensToday && allowed(day)) || (openedYesterday && allowed(yesterday));
}

/** The first minute from `atMs` on at which a cutover may begin: no earlier than `notBeforeMs`, inside the window. */
export function nextStart(atMs: number, notBeforeMs: number | null, window: CutoverWindow | undefined): number {
  const from = Math.max(atMs, notBeforeMs ?? atMs);
  if (!window || insideWindow(window, from)) return from;
  for (let minute = Math.ceil(from / MINUTE_MS) * MINUTE_MS; minute < from + SEARCH_MS; minute += MINUTE_MS) {
    if (insideWindow(window, minute)) return minute;
  }
  return from + SEARCH_MS;
}
