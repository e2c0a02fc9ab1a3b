import { z } from 'zod';

/** A VM's name as platforms allow it: no control characters, no "/", not beginning with "-" or ".". */
export const vmName = z
  .string()
  .min(1)
  .max(128)
  .regex(
    /^[^-./\u0000-\u001f\u007f][^/\u0000-\u001f\u007f]*$/,
    'expected a name without "/" or control characters, not beginning with "-" or "."',
  );

/** A site's name as in `vmferry.yaml`. */
export const siteName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected a site\'s name: small letters, digits and "-"');

/** A disk as the source names it (`vda`). */
export const diskId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'expected a disk\'s name such as "vda"');
