import { z } from 'zod';

const PLAIN_NAME = 'expected a name without "/" or control characters, not beginning with "-" or "."';
const SITE_NAME = 'expected a site\'s name: small letters, digits and "-"';
const MIGRATION_ID = "expected a migration's id: 12 hex digits";
const DISK = 'expected a disk\'s name such as "vda"';

/** A VM's name as platforms allow it: no control characters, no "/", not beginning with "-" or ".". */
export const vmName = z
  .string("expected a VM's name")
  .min(1, "expected a VM's name")
  .max(128)
  .regex(/^[^-./\u0000-\u001f\u007f][^/\u0000-\u001f\u007f]*$/, PLAIN_NAME);

/** A migration's id. */
export const idOfMigration = z.string(MIGRATION_ID).regex(/^[0-9a-f]{12}$/, MIGRATION_ID);

/** A site's name as in `vmferry.yaml`. */
export const siteName = z.string(SITE_NAME).regex(/^[a-z0-9][a-z0-9-]{0,62}$/, SITE_NAME);

/** A disk as the source names it (`vda`). */
export const diskId = z.string(DISK).regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, DISK);
