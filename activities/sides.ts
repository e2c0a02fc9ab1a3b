import { gunzipSync, gzipSync } from 'node:zlib';
import { VmferryError } from '../src/errors.js';
import type { VmDescription } from '../src/model/vm.js';
import type { SideState } from '../src/platforms/platform.js';
import { signalOf } from './context.js';
import type { ActivityDeps } from './deps.js';
import type { Ref } from './io.js';

/**
 * State beside the disks is read while the final pass copies them, and kept in the replica's state: it is of the same
 * stop as the disks, costs no downtime of its own, and is there when the source's site is not any more.
 */

/** Each packed by gzip, as base64: UEFI variables are mostly empty. */
export interface KeptSides {
  nvram: string | null;
  tpm: string | null;
}

/** No side state is so large when it is unpacked. */
const MOST_BYTES = 64 * 1024 * 1024;

export function keptSides({ nvram, tpm }: SideState): KeptSides {
  const packed = (bytes: Buffer | null) => bytes && gzipSync(bytes).toString('base64');
  return { nvram: packed(nvram), tpm: packed(tpm) };
}

/**
 * What the final pass kept; else, as after one of an older version, read from the source.
 * @throws VmferryError `Unsafe` where state that the assessed VM had was not found.
 */
export async function sidesOf(
  deps: ActivityDeps,
  ref: Ref,
  description: VmDescription,
  kept: KeptSides | null,
): Promise<SideState> {
  const sides = kept ? unpacked(kept) : await deps.site(ref.source).readSideState(ref.vm, signalOf());
  assertSidesRead(description, sides);
  return sides;
}

function unpacked({ nvram, tpm }: KeptSides): SideState {
  const bytes = (packed: string | null) =>
    packed === null ? null : gunzipSync(Buffer.from(packed, 'base64'), { maxOutputLength: MOST_BYTES });
  return { nvram: bytes(nvram), tpm: bytes(tpm) };
}

/** State beside the disks that was there when the VM was assessed is carried over, or the cutover is undone. */
function assertSidesRead(description: VmDescription, sides: SideState): void {
  const lost = [
    description.firmware === 'uefi' && description.nvramPath !== null && sides.nvram === null
      ? `its UEFI variables (${description.nvramPath})`
      : null,
    description.tpm?.statePath && sides.tpm === null ? `the state of its TPM (${description.tpm.statePath})` : null,
  ].filter((each) => each !== null);
  if (lost.length === 0) return;
  throw new VmferryError(
    'Unsafe',
    `cannot define ${description.name} at the target: ${lost.join(' and ')} cannot be found`,
    {
      remedy: 'The cutover is undone. Look for the file at the source, and name it in the definition of the VM.',
    },
  );
}
