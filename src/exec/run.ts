import { execa, ExecaError } from 'execa';
import { VmferryError } from '../errors.js';
import type { RunOptions } from './host.js';

const LAST_LINES = 8;
const LAST_CHARACTERS = 2000;
/** ssh's own exit status when it could not connect or the connection broke (ssh(1), EXIT STATUS). */
export const SSH_FAILED = 255;

/** Runs one local process. `shown` is the command as a person would type it, for messages. */
export async function runLocal(
  file: string,
  args: readonly string[],
  options: RunOptions,
  shown: string,
): Promise<{ stdout: Buffer; stderr: string; exitCode: number }> {
  try {
    const result = await execa(file, args, {
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
      ...(options.signal ? { cancelSignal: options.signal } : {}),
      timeout: options.timeoutMs ?? 60_000,
      forceKillAfterDelay: 2_000,
      encoding: 'buffer',
      stripFinalNewline: false,
      maxBuffer: options.maxOutputBytes ?? 16 * 1024 * 1024,
      // Messages of the tools are parsed in a few places: keep them untranslated.
      env: { LC_ALL: 'C' },
      reject: false,
    });
    const stderr = Buffer.from(result.stderr ?? []).toString('utf8');
    if (result instanceof ExecaError || result.failed) {
      const okCodes = options.okExitCodes ?? [0];
      // A process that was ended by us may still choose its exit status: ssh says 255, as when its connection is lost.
      const endedByUs = result.timedOut || result.isCanceled || result.isMaxBuffer;
      if (endedByUs || result.exitCode === undefined || !okCodes.includes(result.exitCode))
        throw failure(result, stderr, options, shown);
    }
    return { stdout: Buffer.from(result.stdout ?? []), stderr, exitCode: result.exitCode ?? 0 };
  } catch (error) {
    if (error instanceof VmferryError) throw error;
    throw new VmferryError('ToolFailed', `cannot run ${mask(shown, options)}: ${mask(messageOf(error), options)}`, {
      cause: error,
    });
  }
}

interface Failed {
  exitCode?: number | undefined;
  isCanceled: boolean;
  timedOut: boolean;
  isMaxBuffer: boolean;
  signal?: string | undefined;
  code?: string | undefined;
}

export function failure(result: Failed, stderr: string, options: RunOptions, shown: string): VmferryError {
  const what = `cannot run ${mask(shown, options)}`;
  const details = { exitCode: result.exitCode, stderr: mask(lastLines(stderr), options) };
  if (result.isCanceled) return new VmferryError('Cancelled', `${what}: it was cancelled`, { details });
  if (result.timedOut) {
    return new VmferryError('Timeout', `${what}: it did not end within ${(options.timeoutMs ?? 60_000) / 1000} s`, {
      details,
    });
  }
  if (result.isMaxBuffer)
    return new VmferryError('ToolFailed', `${what}: it printed more than is allowed`, { details });
  if (result.code === 'ENOENT') {
    return new VmferryError('ToolFailed', `${what}: the program is not installed`, {
      remedy: 'Install it, or run `vmferry doctor` to see everything that is missing.',
      details,
    });
  }
  const why = details.stderr || (result.signal ? `it was ended by ${result.signal}` : `exit status ${result.exitCode}`);
  return new VmferryError('ToolFailed', `${what}: ${why}`, { details });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function lastLines(text: string): string {
  return text.trim().split('\n').slice(-LAST_LINES).join('\n').slice(-LAST_CHARACTERS);
}

/** `text` with every secret of `options` replaced by `***`. */
export function mask(text: string, options: Pick<RunOptions, 'secrets'>): string {
  let masked = text;
  for (const secret of options.secrets ?? []) if (secret) masked = masked.replaceAll(secret, '***');
  return masked;
}
