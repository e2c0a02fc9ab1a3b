// The embedded Temporal server: where it comes from, its start and its end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { ask, cache, giveUp, isProgram, onPath, run, say } from './say.mjs';

/** The newest that `go install` can build: later ones carry a replace directive. */
const VERSION = 'v1.5.1';
const MODULE = `github.com/temporalio/cli/cmd/temporal@${VERSION}`;
const BUILT = join(cache, 'temporal', VERSION, 'temporal');
const DOWNLOADS = join(cache, 'temporal', 'download');
const SEARCH_ATTRIBUTES = ['VmferryPhase', 'VmferryVm', 'VmferrySource', 'VmferryTarget', 'VmferryWave'];
const START_MS = 30_000;
const STOP_MS = 10_000;

/** The server's program: TEMPORAL_CLI_PATH, on the PATH, or cached; null when it has to be installed first. */
export async function findTemporal() {
  const named = process.env.TEMPORAL_CLI_PATH;
  if (named) {
    if (isProgram(named)) return named;
    giveUp(
      'use TEMPORAL_CLI_PATH',
      `${named} is no program`,
      'unset TEMPORAL_CLI_PATH, or set it to the temporal program',
    );
  }
  return onPath('temporal') ?? [BUILT, ...downloaded()].find(isProgram) ?? null;
}

function downloaded() {
  return existsSync(DOWNLOADS)
    ? readdirSync(DOWNLOADS)
        .filter((name) => name.startsWith('temporal-'))
        .map((name) => join(DOWNLOADS, name))
    : [];
}

/** By the SDK's own download; where that is not to be had, built by Go. */
export async function installTemporal() {
  mkdirSync(DOWNLOADS, { recursive: true });
  say('fetching the Temporal server');
  const why = await download();
  if (why === null) return;
  say(`it cannot be downloaded (${why}); building it with Go, which takes about three minutes`);
  if (onPath('go') === null) {
    giveUp(
      'install the Temporal server',
      'the download failed and Go is not installed',
      'install the temporal CLI (docs.temporal.io/cli) and set TEMPORAL_CLI_PATH to it, or install Go 1.25 or later',
    );
  }
  // Built beside its place: a build that was cut off is not taken for a server.
  const beside = `${BUILT}.build`;
  mkdirSync(beside, { recursive: true });
  if (run('go', ['install', MODULE], { env: { ...process.env, GOBIN: beside, GOFLAGS: '' } }) !== 0) {
    giveUp(
      'build the Temporal server',
      'go failed, see above (it needs Go 1.25 or later, and a network)',
      `go install ${MODULE}, or install the temporal CLI (docs.temporal.io/cli) and set TEMPORAL_CLI_PATH`,
    );
  }
  renameSync(join(beside, 'temporal'), BUILT);
  rmSync(beside, { recursive: true, force: true });
}

/** Null when it worked, else why it did not. */
async function download() {
  try {
    const { TestWorkflowEnvironment } = await import('@temporalio/testing');
    const environment = await TestWorkflowEnvironment.createLocal({
      server: { executable: { type: 'cached-download', downloadDir: DOWNLOADS } },
    });
    await environment.teardown();
    return null;
  } catch (error) {
    return String(error instanceof Error ? error.message : error)
      .split('\n')[0]
      .slice(0, 160);
  }
}

/**
 * Starts a server with its database on disk and its UI, on the usual ports or the next free ones, loopback only.
 * Ends with this process, even when that is killed.
 * @param {{ dbFile: string, logFile?: string, port?: number, uiPort?: number, keep?: boolean }} options
 */
export async function startTemporal(options) {
  for (let tries = 0; ; tries++) {
    try {
      return await startOnce(options);
    } catch (error) {
      // Another server that was started at the same moment took the port that was free.
      if (tries === 2 || !String(error).includes('address already in use')) throw error;
    }
  }
}

async function startOnce({ dbFile, logFile = `${dbFile}.log`, port = 7233, uiPort = 8233, keep = false }) {
  const program = await findTemporal();
  if (program === null)
    throw new Error('the Temporal server is not installed: run `node scripts/setup.mjs --own-server`');
  mkdirSync(dirname(dbFile), { recursive: true });
  const grpc = await freePort(port);
  const ui = await freePort(uiPort === grpc ? uiPort + 1 : uiPort);
  const args = [
    'server',
    'start-dev',
    '--ip',
    '127.0.0.1',
    '--port',
    String(grpc),
    '--ui-port',
    String(ui),
    '--db-filename',
    dbFile,
    '--log-level',
    'warn',
  ];
  for (const name of SEARCH_ATTRIBUTES) args.push('--search-attribute', `${name}=Keyword`);
  const log = openSync(logFile, 'a');
  // setpriv(1): the server gets a signal when its parent dies; it ends its own children.
  const [command, all] =
    !keep && onPath('setpriv') ? ['setpriv', ['--pdeathsig', 'TERM', '--', program, ...args]] : [program, args];
  const child = spawn(command, all, { stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  const address = `127.0.0.1:${grpc}`;
  const ended = once(child, 'exit').then(
    ([code, signal]) => code ?? signal,
    (error) => String(error),
  );
  await serving(program, address, child, ended, logFile);
  if (keep) child.unref();
  return {
    address,
    uiUrl: `http://127.0.0.1:${ui}`,
    pid: child.pid,
    program,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

async function serving(program, address, child, ended, logFile) {
  let gone = null;
  void ended.then((status) => (gone = status));
  for (const endsAt = Date.now() + START_MS; Date.now() < endsAt;) {
    if (gone !== null)
      throw new Error(`the Temporal server ended at once (${gone}):\n${readFileSync(logFile, 'utf8').slice(-1000)}`);
    const health = ask(program, ['operator', 'cluster', 'health', '--address', address, '--command-timeout', '2s'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // Somebody else's server may have taken the port in the meantime, and answers as well.
    if (health?.includes('SERVING') && listens(child.pid, Number(address.split(':')[1]))) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill('SIGKILL');
  throw new Error(`the Temporal server at ${address} did not start within ${START_MS / 1000} s: see ${logFile}`);
}

/** Whether this process is the one that listens on the port (proc(5): 0A is LISTEN). */
function listens(pid, port) {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const sockets = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(local) && fields[3] === '0A')
    .map((fields) => `socket:[${fields[9]}]`);
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.includes(readlinkSync(`/proc/${pid}/fd/${fd}`)));
  } catch {
    // It ended, or one of its files was closed while this looked.
    return false;
  }
}

/** `wanted`, or the next port that nobody listens on. */
async function freePort(wanted) {
  for (let port = wanted; port < wanted + 200; port++) {
    const free = await new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error(`no free port from ${wanted} to ${wanted + 199}`);
}
