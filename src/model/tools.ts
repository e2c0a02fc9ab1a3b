/** Programs that work on VMs at a site, by name with their versions, such as `7.2.22`. What is not there is not named. */
export type SiteTools = Readonly<Partial<Record<(typeof TOOLS)[number], string>>>;

/** In the order in which they are told. */
export const TOOLS = ['libvirt', 'QEMU', 'qemu-img', 'libguestfs', 'virt-v2v'] as const;

/** Whether a version comes before another: compared number by number, missing ones as 0. */
export function isBefore(version: string, other: string): boolean {
  const [a, b] = [version, other].map((each) => each.split('.').map(Number));
  for (let at = 0; at < Math.max(a!.length, b!.length); at++) {
    const [left, right] = [a![at] ?? 0, b![at] ?? 0];
    if (left !== right) return left < right;
  }
  return false;
}
