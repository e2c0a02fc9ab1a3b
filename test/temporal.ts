import { findTemporal as find } from '#temporal';

/** The Temporal server that tests start: always one of their own. */
export async function findTemporal(): Promise<string> {
  const path = await find();
  if (path === null) throw new Error('the Temporal server is not installed: node scripts/setup.mjs --own-server');
  return path;
}
