import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VmferryError } from '../errors.js';
import { converseLocal } from './converse.js';
import type { Conversation, ForwardedSocket, Host, RunOptions, RunResult } from './host.js';
import { quoteCommand } from './quote.js';
import { runLocal, SSH_FAILED } from './run.js';

export interface SshTarget {
  /** Host name or address, as in the libvirt URI. */
  machine: string;
  user?: string;
  port?: number;
  /** Private key; default: the agent's and ssh's own defaults. */
  keyFile?: string;
  /** Known hosts file; default: ssh's own. Host keys are always checked. */
  knownHostsFile?: string;
}

/**
 * A machine reached with OpenSSH. One master connection is opened at the first use and shared by all commands and
 * socket forwards (ssh_config(5), ControlMaster); it ends with `close`, or by itself after a minute without use.
 */
export class SshHost implements Host {
  readonly name: string;
  readonly local = false;
  private directory: Promise<string> | undefined;
  private mastered: Promise<void> | undefined;

  constructor(private readonly target: SshTarget) {
    if (target.machine.startsWith('-') || target.user?.startsWith('-')) {
      throw new VmferryError(
        'InvalidConfig',
        `cannot use ${JSON.stringify(target.machine)} as an ssh machine: names must not begin with "-"`,
      );
    }
    this.name = target.user ? `${target.user}@${target.machine}` : target.machine;
  }

  async run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const { stdout, stderr, exitCode } = await this.remote(command, args, options);
    return { stdout: stdout.toString('utf8'), stderr, exitCode };
  }

  async runBinary(command: string, args: readonly string[], options: RunOptions = {}): Promise<Buffer> {
    return (await this.remote(command, args, options)).stdout;
  }

  async converse(command: string, args: readonly string[]): Promise<Conversation> {
    await this.master();
    const line = quoteCommand(command, args);
    const ssh = [...this.options(await this.folder()), '--', this.target.machine, line];
    return converseLocal('ssh', ssh, (exitCode) => {
      if (exitCode !== SSH_FAILED) return null;
      this.mastered = undefined;
      return this.unreachable('');
    });
  }

  async forwardSocket(path: string, signal?: AbortSignal): Promise<ForwardedSocket> {
    await this.master();
    const local = join(await this.folder(), `${randomBytes(6).toString('hex')}.sock`);
    const forward = `${local}:${path}`;
    const ask = () => this.control(['-O', 'forward', '-L', forward], signal);
    await ask().catch(async (error: unknown) => {
      signal?.throwIfAborted();
      // The master ends when it had nothing to do for a minute, or with its connection; the next command makes a new one.
      if (await this.alive()) throw error;
      this.mastered = undefined;
      await this.master();
      await ask();
    });
    return {
      path: local,
      close: async () => {
        await this.control(['-O', 'cancel', '-L', forward]).catch(() => undefined);
        await rm(local, { force: true });
      },
    };
  }

  async close(): Promise<void> {
    if (!this.directory) return;
    const directory = await this.directory;
    this.directory = undefined;
    this.mastered = undefined;
    await runLocal(
      'ssh',
      [...this.options(directory), '-O', 'exit', '--', this.target.machine],
      { timeoutMs: 5_000 },
      'ssh -O exit',
    ).catch(() => undefined);
    await rm(directory, { recursive: true, force: true });
  }

  private async remote(command: string, args: readonly string[], options: RunOptions) {
    await this.master();
    const line = quoteCommand(command, args);
    const ssh = [...this.options(await this.folder()), '--', this.target.machine, line];
    const okExitCodes = [...(options.okExitCodes ?? [0]), SSH_FAILED];
    const result = await runLocal('ssh', ssh, { ...options, okExitCodes }, `${line} (on ${this.name})`);
    if (result.exitCode === SSH_FAILED) {
      this.mastered = undefined;
      throw this.unreachable(result.stderr);
    }
    return result;
  }

  /** Opens the shared connection once; a failed try is not remembered. */
  private master(): Promise<void> {
    this.mastered ??= this.openMaster().catch((error: unknown) => {
      this.mastered = undefined;
      throw error;
    });
    return this.mastered;
  }

  private async openMaster(): Promise<void> {
    const result = await runLocal(
      'ssh',
      [...this.options(await this.folder()), '--', this.target.machine, 'true'],
      { timeoutMs: 30_000, okExitCodes: [0, SSH_FAILED] },
      `ssh ${this.name}`,
    );
    if (result.exitCode === SSH_FAILED) throw this.unreachable(result.stderr);
  }

  private async control(args: string[], signal?: AbortSignal): Promise<void> {
    const ssh = [...this.options(await this.folder()), ...args, '--', this.target.machine];
    await runLocal('ssh', ssh, { timeoutMs: 15_000, signal }, `ssh ${args.join(' ')} ${this.name}`);
  }

  private async alive(): Promise<boolean> {
    return await this.control(['-O', 'check']).then(
      () => true,
      () => false,
    );
  }

  private folder(): Promise<string> {
    this.directory ??= makeFolder();
    return this.directory;
  }

  private options(directory: string): string[] {
    const { user, port, keyFile, knownHostsFile } = this.target;
    return [
      ...[
        '-o',
        'BatchMode=yes',
        '-o',
        'ConnectTimeout=20',
        '-o',
        'ServerAliveInterval=10',
        '-o',
        'ServerAliveCountMax=6',
      ],
      ...[
        '-o',
        'ControlMaster=auto',
        // With every command: the one that finds no master becomes it, and must not be held up by what others run over it.
        '-o',
        'ControlPersist=60',
        '-o',
        `ControlPath=${join(directory, 'master')}`,
        '-o',
        'StreamLocalBindUnlink=yes',
      ],
      ...['-o', 'StrictHostKeyChecking=yes', '-o', 'LogLevel=ERROR'],
      ...(knownHostsFile ? ['-o', `UserKnownHostsFile=${knownHostsFile}`] : []),
      ...(keyFile ? ['-o', 'IdentitiesOnly=yes', '-i', keyFile] : []),
      ...(user ? ['-l', user] : []),
      ...(port ? ['-p', String(port)] : []),
    ];
  }

  /** What of the connection has to be named on every command line. */
  private place(): string[] {
    const { port, keyFile, knownHostsFile } = this.target;
    return [
      ...(port ? ['-p', String(port)] : []),
      ...(keyFile ? ['-i', keyFile] : []),
      ...(knownHostsFile ? ['-o', `UserKnownHostsFile=${knownHostsFile}`] : []),
    ];
  }

  private unreachable(stderr: string): VmferryError {
    return new VmferryError(
      'Unreachable',
      `cannot reach ${this.name} over ssh: ${stderr.trim() || 'the connection was closed'}`,
      {
        remedy: `Try \`${quoteCommand('ssh', [...this.place(), this.name, 'true'])}\` from this machine, as this user.`,
      },
    );
  }
}

/** A folder for sockets, named after this process; those of processes that were killed are removed on the way. */
async function makeFolder(): Promise<string> {
  const parent = tmpdir();
  for (const name of await readdir(parent)) {
    const pid = /^vmferry-ssh-(\d+)-/.exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) await rm(join(parent, name), { recursive: true, force: true });
  }
  return await mkdtemp(join(parent, `vmferry-ssh-${process.pid}-`));
}
