import { VmferryError } from '../src/errors.js';
import { convertGuest } from '../src/guest/convert/convert.js';
import { conversion, type Conversion, type ConversionWish } from '../src/model/conversion.js';
import type { Finding } from '../src/model/finding.js';
import { signalOf } from './context.js';
import type { ActivityDeps, Site } from './deps.js';
import type { ConversionInput, MigrationActivities } from './io.js';

export function convertActivities(deps: ActivityDeps): Pick<MigrationActivities, 'convertTarget'> {
  return {
    convertTarget: async (input) => (await convert(deps.site(input.target), input, 'cutover', signalOf()))!,
  };
}

/**
 * Makes the overlays of a stage with the guest in them converted as wished; null where it is to be left alone. A conversion
 * that fails half-way is thrown away with its overlays, and a smaller one is tried.
 */
export async function convert(
  target: Site,
  input: Omit<ConversionInput, 'conversion'> & { conversion?: ConversionWish | null },
  stage: 'rehearsal' | 'cutover',
  signal: AbortSignal,
): Promise<Conversion | null> {
  const wish = input.conversion ?? null;
  if (wish === null) return null;
  const planned = input.package ?? null;
  const limits = planned && target.packaging?.limits(planned);
  const seen = input.facts?.nics ?? [];
  const tryIt = (most: ConversionWish['most'], more: Finding[]) =>
    target.convert(
      input.migrationId,
      stage,
      conversion,
      async (guest) => {
        const disks = limits ? { ...guest, limits } : guest;
        const done = await convertGuest(disks, { ...wish, most, vm: input.description, seen }, signal);
        return { ...done, findings: [...more, ...done.findings] };
      },
      signal,
    );
  try {
    return await tryIt(wish.most, []);
  } catch (error) {
    if (wish.most !== 'auto' || !(error instanceof VmferryError) || error.code !== 'ConversionFailed') throw error;
    return await tryIt('light', [failed(error)]);
  }
}

function failed({ message, remedy }: VmferryError): Finding {
  return {
    id: 'guest.conversion-failed',
    severity: 'warning',
    message: `${message}. It gets devices that it has drivers for.`,
    remedy: remedy ?? 'Look at what virt-v2v says of a copy of the guest.',
  };
}
