import { serviceName } from '../../request/prepare-guest.js';

/** What a claim says of a guest's services; it lies at a site where others may write. */
export function stoppedServicesOf(
  claim: { migrationId: string; stoppedServices?: string | undefined } | null,
  migrationId: string,
): string[] {
  if (claim?.migrationId !== migrationId) return [];
  return (claim.stoppedServices ?? '').split(' ').filter((name) => serviceName.safeParse(name).success);
}
