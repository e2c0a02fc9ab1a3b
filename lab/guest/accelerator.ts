import { LocalHost } from '../../src/exec/local.js';
import { accelerator as tryAccelerator, type Accelerator } from '../../src/platforms/accelerator.js';

let tried: Promise<Accelerator> | undefined;

/** What guests run with on this machine; tried once a process. */
export function accelerator(): Promise<Accelerator> {
  tried ??= tryAccelerator(new LocalHost());
  return tried;
}
