import { VmferryError } from '../src/errors.js';
import type { Demo } from './demo.js';

export interface MigrateGuestOptions {
  /** `ask`: on the terminal. `wait`: from elsewhere, in any case. `yes`: by the demo itself, with the same signal. */
  approval: 'ask' | 'wait' | 'yes';
  /** Ask for a probe of a service that is not there, so that the cutover is undone. */
  failProbe: boolean;
  /** Where report.json and report.html go. */
  reportDirectory: string;
  say: (line: string) => void;
  signal: AbortSignal;
}

/**
 * Moves the demo's guest from `dc-old` to `dc-new` with `migrateVm`, and shows what came of it.
 * @returns the exit status: 0 done as asked, 1 not.
 */
export function migrateGuest(_demo: Demo, _options: MigrateGuestOptions): Promise<number> {
  return Promise.reject(
    new VmferryError('NotSupported', 'cannot migrate the guest: the demo does not drive migrations yet', {
      remedy: 'Migrate with `vmferry migrate` meanwhile; the demo has shown the two hosts and the guest.',
    }),
  );
}
