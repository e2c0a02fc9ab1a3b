/**
 * Every error that vmferry raises on purpose. `code` is stable; whether Temporal may retry is decided here and nowhere
 * else, and applied by the activity interceptor.
 */

/** How a failure is to be met: retried by itself, waited out with a human's help, or given up. */
export type Cure = 'retry' | 'attention' | 'give-up';

const CURES = {
  /** Wrong request, configuration or message: nothing will change by trying again. */
  InvalidRequest: 'give-up',
  InvalidConfig: 'give-up',
  NotFound: 'give-up',
  NotSupported: 'give-up',
  /** Another migration holds the VM. */
  AlreadyClaimed: 'give-up',
  /** An image, XML or archive from outside is not what it claims to be. */
  HostileInput: 'give-up',
  /** The thing exists already and is not ours. */
  Conflict: 'give-up',
  /** The source changed in a way that its assessment does not cover. */
  Drift: 'give-up',
  /** An invariant would be broken by going on. */
  Unsafe: 'give-up',
  /** A newer attempt of the same activity holds the replica. */
  Superseded: 'give-up',
  /** No room left: for the replica at the target or for scratch at the source. */
  NoSpace: 'attention',
  Unreachable: 'retry',
  /** The stopped source cannot be seen any more, so that nothing can be started at the other side. */
  SourceLost: 'attention',
  Denied: 'attention',
  /** A tool that we drive failed in a way that we do not know. */
  ToolFailed: 'retry',
  Timeout: 'retry',
  /** What was read back is not what was written. */
  VerifyFailed: 'give-up',
  /** A probe of the target did not pass in its time. */
  ProbeFailed: 'give-up',
  /** The guest does not do what it was asked: shut down, thaw, answer. */
  GuestUnwilling: 'give-up',
  /** Something inside a guest's disks cannot be read or done as it is there. */
  GuestUnreadable: 'give-up',
  /** The guest could not be made fit for the target. */
  ConversionFailed: 'give-up',
  Cancelled: 'give-up',
  Internal: 'retry',
} as const satisfies Record<string, Cure>;

export type ErrorCode = keyof typeof CURES;

/** Whether this is a code of ours: one that crossed Temporal may be anything. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(CURES, code);
}

export interface ErrorParts {
  /** The site's platform, as `[libvirt]` before the message. */
  platform?: string;
  /** What a person can do about it, as a sentence. */
  remedy?: string;
  cause?: unknown;
  /** Plain data for programs; never a secret. */
  details?: Record<string, unknown>;
}

/** What happened, why, and what to do about it. Messages read `cannot …: …`. */
export class VmferryError extends Error {
  readonly code: ErrorCode;
  readonly platform: string | undefined;
  readonly remedy: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, parts: ErrorParts = {}) {
    super(
      parts.platform ? `[${parts.platform}] ${message}` : message,
      parts.cause === undefined ? {} : { cause: parts.cause },
    );
    this.name = code;
    this.code = code;
    this.platform = parts.platform;
    this.remedy = parts.remedy;
    this.details = parts.details ?? {};
  }

  get cure(): Cure {
    return CURES[this.code];
  }
}

/** The cure for an error code that crossed Temporal as a failure type; unknown ones are retried. */
export function cureOf(code: string): Cure {
  return code in CURES ? CURES[code as ErrorCode] : 'retry';
}

/** A message that tells a person what happened and what to do, whatever was thrown. */
export function explain(error: unknown): string {
  if (error instanceof VmferryError) return error.remedy ? `${error.message}\n  ${error.remedy}` : error.message;
  return error instanceof Error ? error.message : String(error);
}

/** `error` as a VmferryError: unknown ones become `Internal` with the cause kept. */
export function asVmferryError(error: unknown): VmferryError {
  if (error instanceof VmferryError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new VmferryError('Internal', message, { cause: error });
}
