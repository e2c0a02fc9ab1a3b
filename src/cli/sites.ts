import { loadConfig, siteOf, type VmferryConfig } from '../config.js';
import type { SourceSite, TargetSite } from '../platforms/platform.js';

export type Site = SourceSite & TargetSite;

/** Opens one site of the configuration for `use`, and closes it. @throws VmferryError `NotFound`, naming the sites. */
export async function withSite<T>(config: VmferryConfig, name: string, use: (site: Site) => Promise<T>): Promise<T> {
  const settings = siteOf(config, name);
  // Loaded late: most verbs open no site.
  const { openSite } = await import('../platforms/registry.js');
  const site = openSite(name, settings);
  try {
    return await use(site);
  } finally {
    await site.close();
  }
}

/** As `withSite`, with `vmferry.yaml` read first. */
export async function withNamedSite<T>(
  configPath: string | undefined,
  name: string,
  use: (site: Site) => Promise<T>,
): Promise<T> {
  return withSite(await loadConfig(configPath), name, use);
}
