import type { z } from 'zod';
import type { inspectedOs } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';

const MOST_CHARS = 200;

/** What libguestfs says of an operating system (guestfs(3), "INSPECTION"); its "unknown" is null here. */
export async function osOf(appliance: Appliance, root: string): Promise<z.infer<typeof inspectedOs>> {
  const ask = async (what: string) => {
    const text = (await appliance.maybe([`inspect-get-${what}`, root]))?.trim().slice(0, MOST_CHARS) ?? '';
    return text === '' || text === 'unknown' ? null : text;
  };
  const type = await ask('type');
  const [major, minor] = [await ask('major-version'), await ask('minor-version')];
  return {
    kind: type === 'linux' || type === 'windows' ? type : 'other',
    distribution: (await ask('distro')) ?? (type === 'linux' || type === 'windows' ? null : type),
    version: major === null || (major === '0' && minor === '0') ? null : `${major}.${minor ?? '0'}`,
    productName: await ask('product-name'),
    architecture: await ask('arch'),
    packageFormat: await ask('package-format'),
    hostname: await ask('hostname'),
  };
}
