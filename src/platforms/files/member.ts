import { VmferryError } from '../../errors.js';
import type { RandomAccess } from './random-access.js';

/** A stretch of a file of this machine, so that a tool can be sent there. */
export interface LocalPlace {
  path: string;
  offsetBytes: number;
  /** Null: all that follows, as it is the whole file. */
  sizeBytes: number | null;
}

/** For HTTP's basic authentication; the password is read when it is needed. */
export interface HttpLogin {
  user: string;
  passwordFile: string;
}

/** How files behind HTTP may be asked for. */
export interface HttpAccess {
  login: HttpLogin | null;
  /** Further hosts, `name` or `name:port`, that the server may lead to; the login is sent to none of them. */
  redirectHosts: readonly string[];
}

/** A file of a folder or an archive, opened. */
export interface Member extends RandomAccess {
  /** Null for what only `read` gets at: a file behind HTTP, or one in parts. */
  readonly location: LocalPlace | null;
  /** Differs as soon as it is another file, or was written to. */
  readonly stamp: string;
  close(): Promise<void>;
}

/** A file that is not opened, whatever is in it. */
export interface LeftOut {
  /** From outside, with all that a name may hold; one that ends in `/` is a directory. */
  name: string;
  /** Completes `it is left out: …`. */
  why: string;
}

/** Where the files of a machine lie: a directory, the same behind HTTP, or an archive. */
export interface Folder {
  /** For messages: a path or an address, without secrets. */
  readonly name: string;
  /**
   * Names of the files in it and, of a directory, in its directories, by `/`. One that ends in `/` is a directory that could
   * not be read.
   * @throws VmferryError `NotSupported` where it cannot be listed, `NotFound`, `Denied`, `Unreachable`.
   */
  list(signal?: AbortSignal): Promise<string[]>;
  /** What lies there and is not opened: links, pipes, and files of names that no tool is given. Not there where nothing is. */
  leftOut?: (signal?: AbortSignal) => Promise<LeftOut[]>;
  /** Names of the files that lie right in one directory: `` for itself, `web01/` for one in it. @throws as `list`. */
  names(under: string, signal?: AbortSignal): Promise<string[]>;
  /**
   * Opens a file; null where there is none.
   * @throws VmferryError `HostileInput` where the name leads out of the folder, or to something that is no plain file.
   */
  open(name: string, signal?: AbortSignal): Promise<Member | null>;
  close(): Promise<void>;
}

/** Of names by `/`, those right in one directory, without it. */
export function namesUnder(all: readonly string[], under: string): string[] {
  return all
    .filter((each) => each.startsWith(under))
    .flatMap((each) => {
      const rest = each.slice(under.length);
      return rest === '' || rest.includes('/') ? [] : [rest];
    });
}

/** All of a small file, such as a descriptor. @throws VmferryError `HostileInput` where it is larger than `mostBytes`. */
export async function readSmall(member: Member, mostBytes: number, signal?: AbortSignal): Promise<Buffer> {
  if (member.sizeBytes > mostBytes) throw tooLarge(member.name, member.sizeBytes, mostBytes);
  return await member.read(0, member.sizeBytes, signal);
}

function tooLarge(name: string, sizeBytes: number, mostBytes: number): VmferryError {
  return new VmferryError(
    'HostileInput',
    `cannot read ${name}: it has ${sizeBytes} bytes, and no such file needs more than ${mostBytes}`,
    { platform: 'files', remedy: 'See whether it is the right file.' },
  );
}
