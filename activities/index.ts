import type { ActivityDeps } from './deps.js';
import type { MigrationActivities } from './io.js';
import { assessActivities } from './assess.js';
import { fleetActivities } from './fleet.js';
import type { FleetActivities } from './fleet-io.js';
import { cleanUpActivities } from './clean-up.js';
import { convertActivities } from './convert.js';
import { cutOverActivities } from './cut-over.js';
import { notifyActivities } from './notify.js';
import { packageActivities } from './package.js';
import { passActivities } from './pass.js';
import { prepareGuestActivities } from './prepare-guest.js';
import { rehearseActivities } from './rehearse.js';
import { reportActivities } from './report.js';

/** The only bridge between Temporal and the rest: every activity, over the sites and folders of one process. */
export function createActivities(deps: ActivityDeps): MigrationActivities & FleetActivities {
  return {
    ...assessActivities(deps),
    ...prepareGuestActivities(deps),
    ...passActivities(deps),
    ...rehearseActivities(deps),
    ...packageActivities(deps),
    ...convertActivities(deps),
    ...cutOverActivities(deps),
    ...cleanUpActivities(deps),
    ...notifyActivities(deps),
    ...reportActivities(deps),
    ...fleetActivities(deps),
  };
}
