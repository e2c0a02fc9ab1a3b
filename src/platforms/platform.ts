/**
 * What a platform is to the rest of vmferry. A platform is one folder and one line in registry.ts; it declares what it
 * can do and implements `VmSite` and, as declared, `SourceSite` and `TargetSite`. Everything here is idempotent: it may
 * run twice, at once, on another worker, and after a kill at any point.
 */
export type * from './source-site.js';
export type * from './target-site.js';
export type * from './vm-site.js';
