import { blocking, type Finding } from '../../model/finding.js';
import { MAX_DISK_BYTES } from './image-header.js';
import type { OvfNode } from './ovf-node.js';
import { hostile, quoted, wholeNumber } from './foreign-values.js';
import { unitBytes } from './ovf-values.js';

/** Sizes of disks, and the properties that they may refer to. */

const MAX_PROPERTIES = 4096;

/**
 * What the disk declares (DSP0243, "DiskSection"); null where it declares nothing that can be read.
 * @throws VmferryError `HostileInput` for what is no number.
 */
export function capacityOf(
  disk: OvfNode,
  id: string,
  what: string,
  properties: ReadonlyMap<string, string>,
  findings: Finding[],
): number | null {
  const { said, units } = saidOf(disk);
  if (said === null) return null;
  const unit = unitBytes(units);
  const key = /^\$\{(.{1,255})\}$/.exec(said)?.[1];
  const text = key === undefined ? said : (properties.get(key) ?? null);
  if (unit === null || text === null) {
    const why =
      unit === null
        ? `in a unit that is not known, ${quoted(units)}`
        : `by the property ${quoted(key ?? '')}, which has no value`;
    findings.push({
      id: 'disk.capacity',
      ...blocking(
        `The size of disk ${id} is given ${why}.`,
        "Write the size in bytes in the descriptor's DiskSection.",
      ),
    });
    return null;
  }
  return wholeNumber(text, `the capacity of disk ${id}`, what, 0, Math.floor(MAX_DISK_BYTES / unit)) * unit;
}

/** The unit in which the disk declares its size; 1 where it declares none that is known. */
export function capacityUnitOf(disk: OvfNode): number {
  return unitBytes(saidOf(disk).units) ?? 1;
}

/** oVirt's own form has GiB in `ovf:size`. */
function saidOf(disk: OvfNode): { said: string | null; units: string } {
  const said = disk.get('capacity');
  if (said === null) return { said: disk.get('size'), units: 'byte * 2^30' };
  return { said, units: disk.get('capacityAllocationUnits') ?? 'byte' };
}

/** Values by `[class.]key[.instance]` (DSP0243, "ProductSection"), of the innermost section that has them. */
export function propertiesOf(
  nodes: readonly OvfNode[],
  configuration: string | null,
  what: string,
): Map<string, string> {
  const values = new Map<string, string>();
  let count = 0;
  for (const section of nodes.flatMap((each) => each.all('ProductSection'))) {
    const [start, end] = [section.get('class'), section.get('instance')];
    for (const property of section.all('Property')) {
      if (++count > MAX_PROPERTIES) throw hostile(what, `it has more than ${MAX_PROPERTIES} properties`);
      const key = property.get('key');
      const chosen = property.all('Value').find((each) => each.get('configuration') === configuration);
      const value = (configuration === null ? null : chosen?.get('value')) ?? property.get('value');
      const name = `${start === null ? '' : `${start}.`}${key ?? ''}${end === null ? '' : `.${end}`}`;
      if (key === null || value === null) continue;
      for (const each of [name, key]) if (!values.has(each)) values.set(each, value);
    }
  }
  return values;
}
