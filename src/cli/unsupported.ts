import { VmferryError } from '../errors.js';
import type { Verbs } from './program.js';

const LATER = [
  ['wave', 'Migrate many VMs together', 'vmferry wave plan.json'],
  [
    'replicate',
    'Keep a replica of a VM up to date at another site',
    'vmferry replicate web01 --from dc-old --to dc-new',
  ],
  ['clone', 'Copy a VM, leaving the first running', 'vmferry clone web01 --from dc-old --to dc-new'],
] as const;

/** Verbs that are planned and not there: each refuses, plainly, whatever it is given. */
export function addUnsupported(verbs: Verbs): void {
  for (const [name, summary, example] of LATER) {
    verbs
      .verb(name, `${summary} (not supported yet)`, example)
      .argument('[arguments...]')
      .allowUnknownOption()
      .action(
        verbs.action(() =>
          Promise.reject(new VmferryError('NotSupported', `cannot run \`vmferry ${name}\`: it is not supported yet`)),
        ),
      );
  }
}
