import { readFile } from 'node:fs/promises';
import { VmferryError } from '../errors.js';
import { whyFile } from '../file-trouble.js';
import { assessFleetRequest, type AssessFleetInput } from '../request/assess-fleet.js';
import { migrateVmRequest, type MigrateVmInput } from '../request/migrate-vm.js';
import { parseRequest } from '../request/parse.js';

/** The flags of `migrate` and `assess`, as commander gives them. */
export interface RequestFlags {
  from?: string;
  to?: string;
  request?: string;
  set?: string[];
  targetName?: string;
  network?: string[];
  storage?: string;
  diskFormat?: string;
  package?: string;
  adopt?: string;
  excludeDisk?: string[];
  cpus?: string;
  memory?: string;
  bandwidth?: string;
  at?: string;
  maxDowntime?: string;
  shutdown?: string;
  approval?: string;
  acceptance?: string;
  rehearsal?: boolean;
  waive?: string[];
  dryRun?: boolean;
}

/** Of `assess` with many VMs besides. */
export interface FleetFlags {
  exclude?: string[];
  assumeRate?: string;
}

export type Json = Record<string, unknown>;

/** Path in the request -> flag that gives it. */
const FIELDS: readonly [path: string, flag: keyof RequestFlags][] = [
  ['source', 'from'],
  ['target', 'to'],
  ['targetName', 'targetName'],
  ['storage', 'storage'],
  ['diskFormat', 'diskFormat'],
  ['package', 'package'],
  ['adoptReplica', 'adopt'],
  ['memory', 'memory'],
  ['sync.bandwidth', 'bandwidth'],
  ['cutover.at', 'at'],
  ['cutover.maxDowntime', 'maxDowntime'],
  ['cutover.shutdown', 'shutdown'],
  ['cutover.approval', 'approval'],
  ['acceptance.mode', 'acceptance'],
];

/** How the command line gives other fields. */
const OTHERS: Record<string, string> = {
  vm: 'the first argument',
  cpus: '--cpus',
  excludeDisks: '--exclude-disk',
  networks: '--network',
  waive: '--waive',
  vms: 'the arguments',
  exclude: '--exclude',
  assumeRate: '--assume-rate',
};

function optionOf(path: string): string | undefined {
  const flag = FIELDS.find(([field]) => field === path)?.[1];
  return flag ? `--${flag.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)}` : OTHERS[path.split('.')[0]!];
}

/**
 * The request that file, flags and `--set` give together, later ones winning; checked, but with defaults left out, so
 * that Temporal shows what was asked for.
 * @throws VmferryError `InvalidRequest` with a line for each wrong field.
 */
export async function buildRequest(vm: string | undefined, flags: RequestFlags): Promise<MigrateVmInput> {
  const request = await collectRequest(flags);
  if (vm !== undefined) request['vm'] = vm;
  parseRequest(migrateVmRequest, request, 'the request', optionOf);
  return request as MigrateVmInput;
}

/** As `buildRequest`, for many VMs. @param vms names or patterns; none: those of the file, or all. */
export async function buildFleetRequest(
  vms: readonly string[],
  flags: RequestFlags & FleetFlags,
): Promise<AssessFleetInput> {
  const request = await collectRequest(flags);
  if (vms.length > 0) request['vms'] = [...vms];
  if (flags.exclude !== undefined) request['exclude'] = flags.exclude;
  if (flags.assumeRate !== undefined) request['assumeRate'] = flags.assumeRate;
  parseRequest(assessFleetRequest, request, 'the request', optionOf);
  return request as AssessFleetInput;
}

/** What file and flags give together, unchecked. */
export async function collectRequest(flags: RequestFlags): Promise<Json> {
  const request: Json = flags.request === undefined ? {} : await readRequest(flags.request);
  for (const [path, flag] of FIELDS) if (flags[flag] !== undefined) put(request, path, flags[flag]);
  if (flags.cpus !== undefined) request['cpus'] = Number.isNaN(Number(flags.cpus)) ? flags.cpus : Number(flags.cpus);
  if (flags.excludeDisk !== undefined) request['excludeDisks'] = flags.excludeDisk;
  if (flags.rehearsal === false) put(request, 'rehearsal.enabled', false);
  if (flags.dryRun) request['dryRun'] = true;
  for (const pair of flags.network ?? []) putPair(request, 'networks', pair, '--network');
  for (const pair of flags.waive ?? []) putPair(request, 'waive', pair, '--waive');
  for (const pair of flags.set ?? []) {
    const [path, value] = split(pair, '--set');
    put(request, path, valueOf(value));
  }
  return request;
}

async function readRequest(path: string): Promise<Json> {
  const wrong = (why: string, remedy: string, cause?: unknown) =>
    new VmferryError('InvalidRequest', `cannot read the request in ${path}: ${why}`, { remedy, cause });
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw wrong(
      whyFile(cause),
      'Name a file with --request, or give the request by options: --from, --to, --set.',
      cause,
    );
  });
  const shape = 'It is one JSON object, such as {"vm": "web01", "source": "dc-old", "target": "dc-new"}.';
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw wrong(`it is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, shape, cause);
  }
  if (isObject(data)) return data;
  throw wrong('expected one JSON object', shape);
}

function isObject(data: unknown): data is Json {
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}

function put(request: Json, path: string, value: unknown): void {
  const names = path.split('.');
  let at = request;
  for (const name of names.slice(0, -1)) {
    if (!isObject(at[name]) || !Object.hasOwn(at, name)) define(at, name, {});
    at = at[name] as Json;
  }
  define(at, names.at(-1)!, value);
}

/** Sets an own property whatever its name, `__proto__` too. */
function define(at: Json, name: string, value: unknown): void {
  Object.defineProperty(at, name, { value, enumerable: true, configurable: true, writable: true });
}

function putPair(request: Json, field: string, pair: string, flag: string): void {
  const [name, value] = split(pair, flag);
  const given = request[field];
  const map = isObject(given) ? { ...given } : {};
  define(map, name, value);
  request[field] = map;
}

function split(pair: string, flag: string): [string, string] {
  const at = pair.indexOf('=');
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
  throw new VmferryError('InvalidRequest', `cannot read ${flag} ${JSON.stringify(pair)}: expected NAME=VALUE`);
}

/** JSON where it is JSON (`true`, `3`, `["vdb"]`), else the text itself. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
