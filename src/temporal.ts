import { connect } from 'node:net';
import { hostname, userInfo } from 'node:os';
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { VmferryError } from './errors.js';

/**
 * The command line's way to Temporal. Settings come from Temporal's standard environment
 * configuration: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, TEMPORAL_API_KEY, TEMPORAL_TLS_…, or the
 * `temporal` CLI's configuration file.
 */
export interface TemporalSettings {
  /** `host:port`. Default `localhost:7233`. */
  address: string;
  /** Default `default`. */
  namespace: string;
  connection: NativeConnectionOptions;
}

/** Orchestration; activities run on `vmferry.site.<site>`. */
export const TASK_QUEUE = 'vmferry';
export const siteTaskQueue = (site: string): string => `${TASK_QUEUE}.site.${site}`;

const DEFAULT_ADDRESS = 'localhost:7233';
const DEFAULT_NAMESPACE = 'default';
const CONNECT_TIMEOUT_MS = 10_000;
const KNOCK_TIMEOUT_MS = 2_000;

/** @throws VmferryError `InvalidConfig` when the environment configuration cannot be read. */
export function temporalSettings(): TemporalSettings {
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig();
    const address = connectionOptions.address ?? DEFAULT_ADDRESS;
    return { address, namespace: namespace ?? DEFAULT_NAMESPACE, connection: { ...connectionOptions, address } };
  } catch (cause) {
    throw new VmferryError('InvalidConfig', `cannot read the settings for Temporal: ${messageOf(cause)}`, {
      remedy: 'Look at the TEMPORAL_… variables and at the configuration file of the temporal CLI.',
      cause,
    });
  }
}

/** Who is at this terminal, as `user@machine`: the default of `by`, and the client's identity in histories. */
export function whoIsThis(): string {
  let user = 'unknown';
  try {
    user = userInfo().username;
  } catch {
    // A uid without a name, as in some containers.
    user = `uid-${process.getuid?.() ?? 0}`;
  }
  return `${user}@${hostname()}`;
}

export interface ConnectedClient {
  client: Client;
  settings: TemporalSettings;
  close(): Promise<void>;
}

/** A client for the command line. @throws VmferryError `Unreachable`, at once for an address on this machine. */
export async function connectClient(settings: TemporalSettings = temporalSettings()): Promise<ConnectedClient> {
  await knock(settings.address);
  try {
    const { address, apiKey, tls, metadata } = settings.connection;
    const connection = await Connection.connect({
      address: address ?? settings.address,
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(tls === undefined ? {} : { tls }),
      ...(metadata === undefined ? {} : { metadata: stringsOf(metadata) }),
    });
    const client = new Client({ connection, namespace: settings.namespace, identity: whoIsThis() });
    return { client, settings, close: () => connection.close() };
  } catch (cause) {
    throw unreachable(settings.address, cause);
  }
}

/** gRPC keeps trying a port that nobody listens on until its time is over; on this machine that is known at once. */
async function knock(address: string): Promise<void> {
  const match = /^(localhost|127(?:\.\d+){3}|\[?::1\]?):(\d+)$/.exec(address);
  if (!match) return;
  const host = match[1]!.replace(/[[\]]/g, '');
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port: Number(match[2]), timeout: KNOCK_TIMEOUT_MS });
    const fail = (cause: unknown): void => {
      socket.destroy();
      reject(unreachable(address, cause));
    };
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', fail);
    socket.once('timeout', () => fail(new Error(`no answer in ${KNOCK_TIMEOUT_MS / 1000} s`)));
  });
}

function unreachable(address: string, cause: unknown): VmferryError {
  return new VmferryError('Unreachable', `cannot reach Temporal at ${address}: ${messageOf(cause)}`, {
    remedy:
      'Start one with `vmferry up`, or name yours with TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_API_KEY or TLS settings).',
    cause,
  });
}

/** What Temporal's libraries threw, in words where it is something that a person can cure; else as it is. */
export function explained(error: unknown): unknown {
  const text =
    error instanceof Error ? `${error.message} ${error.cause instanceof Error ? error.cause.message : ''}` : '';
  const name = /Namespace not found: '([^']*)'|Namespace (\S+) is not found/.exec(text);
  if (!name) return error;
  const { address } = temporalSettings();
  const namespace = name[1] ?? name[2] ?? '';
  return new VmferryError('NotFound', `there is no namespace "${namespace}" in the Temporal server at ${address}`, {
    remedy: `Name yours with TEMPORAL_NAMESPACE, or make it: temporal operator namespace create --address ${address} --namespace ${namespace}`,
    cause: error,
  });
}

/** The innermost reason: the library wraps it. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const details = 'details' in error && typeof error.details === 'string' ? error.details : '';
  return details || error.message || error.name;
}

function stringsOf(metadata: Record<string, string | Buffer>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])),
  );
}
