import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { asVmferryError, VmferryError } from '../errors.js';
import type { Conversation } from '../exec/host.js';
import { AnswerReader } from './answer-reader.js';
import { commandLine, type Word } from './guestfish-words.js';

export interface ApplianceOptions {
  /** Where false, disks are written to. */
  readOnly: boolean;
  /** Ask for emulation. To be set where KVM was not seen to run a guest: libguestfs takes any /dev/kvm for working. */
  tcg: boolean;
  /** Ends the appliance, whatever it does. */
  signal?: AbortSignal | undefined;
  /** For its start where it is emulated, which takes about 30,000. Default: 600,000. */
  startTimeoutMs?: number;
}

export interface CommandOptions {
  /** Default: 300,000. The appliance is ended when it takes longer. */
  timeoutMs?: number;
  /** Default: 16 MiB. The appliance is ended when more comes. */
  maxOutputBytes?: number;
}

/** What of a file is read at a time: libguestfs carries answers of less than 4 MiB (guestfs(3), "Protocol limits"). */
const PIECE_BYTES = 2 * 1024 * 1024;
const END_GRACE_MS = 30_000;

/**
 * One libguestfs appliance: a small machine that has a guest's disks as its own, so that nothing of them is interpreted by
 * this machine's kernel. It lives as long as this object and not longer than this process, here and over ssh. Commands are
 * guestfish's (guestfish(1), "COMMANDS") and run one after the other.
 */
export class Appliance {
  private readonly stdout: AnswerReader;
  private readonly stderr: AnswerReader;
  private last: Promise<unknown> = Promise.resolve();
  private broken: Error | undefined;
  private closed: Promise<void> | undefined;
  private readonly abort: () => void;

  /** Use `openAppliance`. `devices`: of each disk, by its id. */
  constructor(
    private readonly talk: Conversation,
    readonly devices: ReadonlyMap<string, string>,
    private readonly options: ApplianceOptions,
  ) {
    this.stdout = new AnswerReader(talk.stdout);
    this.stderr = new AnswerReader(talk.stderr, 64 * 1024);
    this.abort = () => this.break(cancelled());
    options.signal?.addEventListener('abort', this.abort);
  }

  get readOnly(): boolean {
    return this.options.readOnly;
  }

  /**
   * Runs one command.
   * @returns what it printed: of a text, guestfish prints a newline after it.
   * @throws VmferryError `GuestUnreadable` with libguestfs' own message where it failed, which leaves the appliance usable;
   * `Cancelled`, `Timeout`, `ToolFailed`, `Unreachable` where the appliance is gone.
   */
  async command(words: readonly [string, ...Word[]], options: CommandOptions = {}): Promise<string> {
    return (await this.bytes(words, options)).toString('utf8');
  }

  /** Like `command`, with the bytes that it printed. */
  bytes(words: readonly [string, ...Word[]], options: CommandOptions = {}, input = ''): Promise<Buffer> {
    const line = commandLine(words);
    const answer = this.last.then(() => this.ask(words[0], line, options, input));
    this.last = answer.catch(() => undefined);
    return answer;
  }

  /** Like `command`, but null where it failed. */
  async maybe(words: readonly [string, ...Word[]], options: CommandOptions = {}): Promise<string | null> {
    try {
      return await this.command(words, options);
    } catch (error) {
      if (error instanceof VmferryError && error.code === 'GuestUnreadable') return null;
      throw error;
    }
  }

  /**
   * What a regular file holds; links are followed inside the guest. Null where there is none: nothing, a folder, a device
   * or a pipe.
   * @throws VmferryError `GuestUnreadable` where it holds more than `maxBytes`.
   */
  async download(path: string, maxBytes: number): Promise<Buffer | null> {
    const sizeBytes = await this.fileBytes(path);
    if (sizeBytes === null) return null;
    if (sizeBytes > maxBytes) {
      const why = `it holds ${sizeBytes} bytes, more than the ${maxBytes} that are read`;
      throw new VmferryError('GuestUnreadable', `cannot read ${JSON.stringify(path)} of the guest: ${why}`);
    }
    const pieces: Buffer[] = [];
    for (let at = 0; at < sizeBytes; at += PIECE_BYTES) {
      pieces.push(await this.piece(path, at, Math.min(PIECE_BYTES, sizeBytes - at)));
    }
    return Buffer.concat(pieces);
  }

  /** Size of a regular file, links followed; null where there is none. */
  async fileBytes(path: string): Promise<number | null> {
    // A loop of links is an error rather than a no.
    if ((await this.maybe(['is-file', path, 'followsymlinks:true']))?.trim() !== 'true') return null;
    return Number((await this.command(['filesize', path])).trim());
  }

  /** Bytes of a file from `offsetBytes` on, at most 2 MiB; fewer at its end. */
  piece(path: string, offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    const words = ['pread', path, String(Math.min(lengthBytes, PIECE_BYTES)), String(offsetBytes)] as const;
    return this.bytes([...words], { maxOutputBytes: PIECE_BYTES });
  }

  /**
   * Writes a whole file, in place where there is one: its owner and mode stay. A new one gets libguestfs' defaults. Links are
   * followed inside the guest.
   */
  async upload(path: string, content: Uint8Array): Promise<void> {
    const place = await this.placeOf(path);
    // libguestfs' daemon gives the name to a shell with a backslash before each strange byte, which makes a newline vanish.
    if (place.includes('\n')) throw unwritable(path, 'libguestfs cannot write to a name with a line break');
    const end = `end-${token()}`;
    const lines = Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\n');
    await this.bytes(['base64-in', `-<<${end}`, place], {}, `${lines}\n${end}\n`);
  }

  /** The same place without links: that shell would follow them from the appliance's own root, not from the guest's. */
  private async placeOf(path: string): Promise<string> {
    const real = (await this.maybe(['realpath', path]))?.slice(0, -1);
    if (real !== undefined) return real;
    if ((await this.maybe(['is-symlink', path]))?.trim() === 'true') throw unwritable(path, 'it is a link to nothing');
    const folder = (await this.command(['realpath', posix.dirname(path)])).slice(0, -1);
    return posix.join(folder, posix.basename(path));
  }

  /**
   * Ends it. A writable one is unmounted and shut down first, so that all that was written is on the disks.
   * @throws VmferryError `ToolFailed` where that failed: then the disks cannot be relied on. Idempotent.
   */
  close(): Promise<void> {
    this.closed ??= this.shutDown();
    return this.closed;
  }

  private async shutDown(): Promise<void> {
    try {
      if (this.broken || this.readOnly) return;
      await this.command(['umount-all']);
      await this.command(['shutdown']);
    } catch (error) {
      throw new VmferryError('ToolFailed', `cannot shut the appliance down: ${messageOf(error)}`, {
        remedy: 'What was written to the disks may not be whole: make the overlay anew.',
        cause: error,
      });
    } finally {
      this.options.signal?.removeEventListener('abort', this.abort);
      this.broken ??= new VmferryError('Internal', 'cannot use an appliance that was closed');
      await this.talk.stop(END_GRACE_MS);
    }
  }

  private async ask(command: string, line: string, options: CommandOptions, input: string): Promise<Buffer> {
    this.assertUsable();
    const marker = token();
    const { timeoutMs = 300_000, maxOutputBytes = 16 * 1024 * 1024 } = options;
    const late = () =>
      this.break(new VmferryError('Timeout', `cannot run ${command} in the appliance: no answer in ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    try {
      const answers = Promise.all([
        this.stdout.until(marker, maxOutputBytes).catch((error: unknown) => this.break(error)),
        this.stderr.until(marker, Infinity),
      ]);
      // The second line is a constant but for the marker, and tells where the answer ends on both streams.
      await this.talk.write(`${line}\n${input}!printf '\\n%s\\n' ${marker}; printf '\\n%s\\n' ${marker} >&2\n`);
      const [stdout, stderr] = await answers;
      this.assertUsable();
      if (!stdout || !stderr) throw await this.gone(command);
      const said = complaints(stderr.toString('utf8'));
      if (said) throw new VmferryError('GuestUnreadable', `cannot run ${command} in the appliance: ${said}`);
      return stdout;
    } finally {
      clearTimeout(timer);
    }
  }

  private assertUsable(): void {
    if (this.broken) throw this.broken;
  }

  /** Why there is no answer any more. */
  private async gone(command: string): Promise<Error> {
    try {
      await this.talk.stop(END_GRACE_MS);
      await this.talk.ended;
      const why = complaints(this.stderr.rest()) || 'guestfish ended';
      this.broken ??= new VmferryError('ToolFailed', `cannot run ${command} in the appliance: ${why}`);
    } catch (error) {
      this.broken ??= asVmferryError(error);
    }
    return this.broken;
  }

  /** From here on every command fails with this. */
  private break(error: unknown): undefined {
    this.broken ??= asVmferryError(error);
    void this.talk.stop(END_GRACE_MS);
  }
}

function unwritable(path: string, why: string): VmferryError {
  return new VmferryError('GuestUnreadable', `cannot write ${JSON.stringify(path)} in the guest: ${why}`);
}

export function cancelled(): VmferryError {
  return new VmferryError('Cancelled', 'cannot go on looking into the guest: it was cancelled');
}

function token(): string {
  return randomBytes(16).toString('hex');
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What guestfish and libguestfs say went wrong, without where in the script; empty where nothing did. */
function complaints(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/libguestfs: warning:/.test(line));
  return lines
    .map((line) => line.replace(/^\S+:\d+: libguestfs: error: /, ''))
    .join('\n')
    .slice(0, 2000);
}
