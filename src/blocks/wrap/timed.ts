import { VmferryError } from '../../errors.js';
import type { Around } from './intercept.js';

/** Fails a call that takes longer than `timeoutMs` as `Timeout`; what it set in motion may still happen. */
export function timed(timeoutMs: number): Around {
  return async ({ name, offsetBytes, lengthBytes }, run) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const what = `cannot ${name} ${lengthBytes} bytes at ${offsetBytes}`;
        reject(new VmferryError('Timeout', `${what}: no answer for ${timeoutMs / 1000} s`));
      }, timeoutMs);
    });
    try {
      await Promise.race([run(), late]);
    } finally {
      clearTimeout(timer);
    }
  };
}
