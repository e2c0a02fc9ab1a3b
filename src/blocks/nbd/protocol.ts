import { VmferryError, type ErrorCode } from '../../errors.js';

/**
 * Numbers of the NBD protocol, from its specification:
 * https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md ("Values").
 */

export const NBD_MAGIC = 0x4e42444d41474943n;
export const OPTION_MAGIC = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

/** Handshake flags, of the server and of the client. */
export const FIXED_NEWSTYLE = 1;
export const NO_ZEROES = 2;

export const Option = { ABORT: 2, INFO: 6, GO: 7, STRUCTURED_REPLY: 8, SET_META_CONTEXT: 10 } as const;
export const OptionReply = { ACK: 1, INFO: 3, META_CONTEXT: 4, ERROR: 0x80000000 } as const;
export const OptionError = { UNSUPPORTED: 1, POLICY: 2, INVALID: 3, TLS_REQUIRED: 5, UNKNOWN: 6, SHUTDOWN: 7 } as const;
export const Info = { EXPORT: 0, BLOCK_SIZE: 3 } as const;

export const ExportFlag = {
  READ_ONLY: 1 << 1,
  SEND_FLUSH: 1 << 2,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  CAN_MULTI_CONN: 1 << 8,
} as const;

export const Command = {
  READ: 0,
  WRITE: 1,
  DISCONNECT: 2,
  FLUSH: 3,
  TRIM: 4,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;
export const Chunk = {
  NONE: 0,
  OFFSET_DATA: 1,
  OFFSET_HOLE: 2,
  BLOCK_STATUS: 5,
  ERROR: 0x8001,
  ERROR_OFFSET: 0x8002,
} as const;
export const CHUNK_DONE = 1;

/** Meta context `base:allocation`: the range reads as zeroes. */
export const STATE_ZERO = 2;
/** Meta context `qemu:dirty-bitmap:…`: the range is dirty (QEMU, docs/interop/nbd.txt). */
export const STATE_DIRTY = 1;
/** Meta context `qemu:allocation-depth`: allocated in the topmost layer (QEMU, docs/interop/nbd.txt). */
export const DEPTH_TOP = 1;

/** What a client may send or ask for at once where the server states no limit ("Size constraints"). */
export const DEFAULT_MAX_PAYLOAD = 32 * 1024 * 1024;
/** Block status and zeroing take 32-bit lengths; ours stay well below, so that one request never takes minutes. */
export const MAX_STATUS_BYTES = 2 ** 31;
export const MAX_ZERO_BYTES = 256 * 1024 * 1024;

const ERRORS: Record<number, { code: ErrorCode; text: string }> = {
  1: { code: 'Denied', text: 'operation not permitted' },
  5: { code: 'ToolFailed', text: 'input/output error' },
  12: { code: 'ToolFailed', text: 'the server is out of memory' },
  22: { code: 'ToolFailed', text: 'invalid request' },
  28: { code: 'NoSpace', text: 'no space left on the device' },
  75: { code: 'ToolFailed', text: 'value too large' },
  95: { code: 'NotSupported', text: 'operation not supported' },
  108: { code: 'Unreachable', text: 'the server is shutting down' },
};

/** The error that a server's answer stands for ("Error values"). `what` reads `cannot …`. */
export function serverError(what: string, errno: number, message = ''): VmferryError {
  const { code, text } = ERRORS[errno] ?? { code: 'ToolFailed' as const, text: `error ${errno}` };
  const remedy = code === 'NoSpace' ? { remedy: 'Make room in the storage that holds it, then resume.' } : {};
  return new VmferryError(code, `${what}: ${text}${message ? ` (${message})` : ''}`, { ...remedy, details: { errno } });
}

/** A peer that does not keep to the protocol. Its connection is of no use any more. */
export function violation(peer: string, why: string): VmferryError {
  return new VmferryError('HostileInput', `cannot go on with ${peer}: the server broke the NBD protocol: ${why}`);
}
