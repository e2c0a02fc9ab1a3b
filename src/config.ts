import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { VmferryError } from './errors.js';
import { whyFile } from './file-trouble.js';
import { siteName } from './request/names.js';
import { parseRequest } from './request/parse.js';
import { rate, size } from './request/units.js';

/** `vmferry.yaml`: the sites, and what the operator wants everywhere. The only place that reads the environment. */

const directory = z.string().regex(/^\/[^\0\n]*$/, 'expected an absolute path');

export const libvirtSite = z.strictObject({
  platform: z.literal('libvirt'),
  uri: z
    .string()
    .regex(
      /^qemu(\+(ssh|unix))?:\/\//,
      'expected a libvirt URI: qemu:///system, qemu+unix:///system?socket=… or qemu+ssh://user@machine/system',
    )
    .describe(
      'libvirt connection URI. With qemu+ssh, every command for the site runs over ssh; keyfile= and known_hosts= are understood.',
    ),
  storage: z
    .string()
    .min(1)
    .default('default')
    .describe('Pool, or absolute directory, for disks of VMs that come here.'),
  stateDir: directory.default('/var/lib/vmferry').describe('Claims and small working files at the site.'),
  scratchDir: directory
    .default('/var/lib/libvirt/images')
    .describe('Where backup jobs keep what the guest overwrites meanwhile; QEMU writes there.'),
  scratchReserve: size.default('512MiB').describe('A backup job is ended when less than this is free.'),
  bandwidth: rate
    .optional()
    .describe('Limit for all copies to or from this site by one worker; a migration may have a lower one.'),
});
export type LibvirtSiteConfig = z.infer<typeof libvirtSite>;

export const filesSite = z.strictObject({
  platform: z.literal('files'),
  path: directory
    .optional()
    .describe('Directory with exported machines (OVA, OVF, VMX, libvirt XML, images), or one such file.'),
  url: z
    .string()
    .regex(/^https?:\/\/[^@\s]+$/, 'expected an address such as https://machine/exports/, without a login in it')
    .optional()
    .describe('The same behind HTTP or HTTPS; the server has to answer Range requests.'),
  user: z.string().min(1).optional().describe('For basic authentication with `url`.'),
  passwordFile: directory.optional().describe('File that holds the password of `user`.'),
  redirectHosts: z
    .array(z.string().regex(/^[\w.-]+(:\d{1,5})?$/, 'expected a host, or host:port'))
    .default([])
    .describe(
      'Further hosts that the server of `url` may lead to, such as its mirrors; without a port, the usual one. The login is sent to none of them.',
    ),
  scratchDir: directory
    .default('/var/tmp')
    .describe('Where compressed packages and disks are unpacked to; others are read in place.'),
  scratchReserve: size.default('512MiB').describe('So much is left free there.'),
  unpackLimit: size
    .optional()
    .describe(
      'The most that may come out of one compressed file. By default twice what a descriptor says of the disk; where none does, 1000 times the packed size, and 32GiB in any case.',
    ),
  stateDir: directory
    .default('/var/lib/vmferry')
    .describe(
      'As a target: sockets and other small things of a running copy. Disks stay in `path`, in a hidden folder.',
    ),
  bandwidth: rate.optional().describe('Limit for all copies from this site by one worker.'),
});
export type FilesSiteConfig = z.infer<typeof filesSite>;

export const siteConfig = z.discriminatedUnion('platform', [
  libvirtSite,
  filesSite.check(({ value, issues }) => {
    const { path, url, user, passwordFile } = value;
    const wrong = (field: string, message: string) =>
      issues.push({ code: 'custom', path: [field], message, input: value });
    if ((path === undefined) === (url === undefined)) wrong('path', 'expected either `path` or `url`');
    if ((user === undefined) !== (passwordFile === undefined)) {
      wrong(user === undefined ? 'user' : 'passwordFile', 'expected both `user` and `passwordFile`, or neither');
    }
  }),
]);
export type SiteConfig = z.infer<typeof siteConfig>;

export const vmferryConfig = z.strictObject({
  version: z.literal(1).default(1),
  sites: z.record(siteName, siteConfig),
  reports: z.string().default('report').describe('Folder for reports, beside this file unless absolute.'),
  hooks: z
    .record(z.string(), z.array(z.string()).min(1))
    .default({})
    .describe('Commands for notifications: name -> program and arguments.'),
});
export type VmferryConfig = z.infer<typeof vmferryConfig>;

/**
 * Reads `vmferry.yaml`: `path`, else `$VMFERRY_CONFIG`, else the one in the working directory.
 * @throws VmferryError `InvalidConfig` with a line for each wrong field.
 */
export async function loadConfig(path?: string): Promise<VmferryConfig & { path: string }> {
  const file = resolve(path ?? process.env['VMFERRY_CONFIG'] ?? 'vmferry.yaml');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new VmferryError('InvalidConfig', `cannot read ${file}: ${whyFile(cause)}`, {
      remedy: 'Write one with `vmferry init`, or name it with --config or VMFERRY_CONFIG.',
      details: { missing },
      cause,
    });
  }
  let data: unknown;
  try {
    data = parseYaml(text);
  } catch (cause) {
    throw new VmferryError(
      'InvalidConfig',
      `cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { remedy: 'It is YAML; `vmferry init --stdout` shows how one looks.', cause },
    );
  }
  try {
    return { ...parseRequest(vmferryConfig, data, file), path: file };
  } catch (cause) {
    throw new VmferryError('InvalidConfig', cause instanceof Error ? cause.message : String(cause), {
      remedy: 'Every field is in docs/requests.md; `vmferry init --stdout` shows how such a file looks.',
      cause,
    });
  }
}

/** The site of that name. @throws VmferryError `NotFound`, naming those that exist. */
export function siteOf(config: VmferryConfig, name: string): SiteConfig {
  const site = Object.hasOwn(config.sites, name) ? config.sites[name] : undefined;
  if (site) return site;
  const known = Object.keys(config.sites).join(', ') || 'none';
  throw new VmferryError('NotFound', `there is no site "${name}"`, { remedy: `Sites in vmferry.yaml: ${known}.` });
}

/** The libvirt site of that name. @throws VmferryError `NotFound`, `InvalidConfig` where it is of another platform. */
export function libvirtSiteOf(config: VmferryConfig, name: string): LibvirtSiteConfig {
  const site = siteOf(config, name);
  if (site.platform === 'libvirt') return site;
  throw new VmferryError('InvalidConfig', `the site "${name}" is of the platform ${site.platform}, not libvirt`);
}

/** The absolute folder for reports and evidence, with one folder for each migration. */
export function reportsDirectory(config: VmferryConfig & { path: string }): string {
  return resolve(dirname(config.path), config.reports);
}

/** Folder for what can be built again: the embedded server, guest images. `$XDG_CACHE_HOME/vmferry`. */
export function cacheDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'vmferry');
}

/** Folder for what must be kept: the database of `vmferry up`. `$XDG_STATE_HOME/vmferry`. */
export function stateDirectory(): string {
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'vmferry');
}
