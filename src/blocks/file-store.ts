import { open, type FileHandle } from 'node:fs/promises';
import { VmferryError } from '../errors.js';
import type { BlockStore, Extent } from './block-device.js';

export interface FileStoreOptions {
  /** Create the file, or make it this long. Without it the file has to exist. */
  createBytes?: number;
  readOnly?: boolean;
}

/** A raw file on this machine as a disk. Holes are not told apart: only a file without any data counts as zeroes. */
export class FileStore implements BlockStore {
  readonly alignmentBytes = 1;
  readonly tracksChanges = false;
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #file: FileHandle;
  #empty: boolean;

  private constructor(path: string, file: FileHandle, sizeBytes: number, empty: boolean) {
    this.#path = path;
    this.#file = file;
    this.sizeBytes = sizeBytes;
    this.#empty = empty;
  }

  /** @throws VmferryError `NotFound`, `Denied`, `NoSpace`. */
  static async open(path: string, options: FileStoreOptions = {}): Promise<FileStore> {
    return attempt(`cannot open ${path}`, async () => {
      if (options.createBytes !== undefined) await (await open(path, 'a')).close();
      const file = await open(path, options.readOnly ? 'r' : 'r+');
      if (options.createBytes !== undefined) await file.truncate(options.createBytes);
      const { size, blocks } = await file.stat();
      return new FileStore(path, file, size, blocks === 0);
    });
  }

  async *extents(offsetBytes: number, lengthBytes: number): AsyncGenerator<Extent> {
    await Promise.resolve();
    if (lengthBytes > 0) yield { offsetBytes, lengthBytes, kind: this.#empty ? 'zero' : 'data' };
  }

  async read(offsetBytes: number, buffer: Buffer, signal?: AbortSignal): Promise<void> {
    await this.#try('read', async () => {
      for (let done = 0; done < buffer.length;) {
        signal?.throwIfAborted();
        const { bytesRead } = await this.#file.read(buffer, done, buffer.length - done, offsetBytes + done);
        if (bytesRead === 0) throw new Error(`it ends before ${offsetBytes + buffer.length}`);
        done += bytesRead;
      }
    });
  }

  async write(offsetBytes: number, buffer: Buffer, signal?: AbortSignal): Promise<void> {
    if (offsetBytes + buffer.length > this.sizeBytes) {
      throw new VmferryError('Internal', `cannot write to ${this.#path}: it ends at ${this.sizeBytes}`);
    }
    this.#empty = false;
    await this.#try('write to', async () => {
      for (let done = 0; done < buffer.length;) {
        signal?.throwIfAborted();
        const { bytesWritten } = await this.#file.write(buffer, done, buffer.length - done, offsetBytes + done);
        done += bytesWritten;
      }
    });
  }

  async zero(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#empty) return;
    const zeroes = Buffer.alloc(Math.min(lengthBytes, 1024 * 1024));
    for (let done = 0; done < lengthBytes; done += zeroes.length) {
      await this.write(offsetBytes + done, zeroes.subarray(0, Math.min(zeroes.length, lengthBytes - done)), signal);
    }
  }

  async flush(): Promise<void> {
    await this.#try('flush', () => this.#file.datasync());
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #try<T>(what: string, run: () => Promise<T>): Promise<T> {
    return attempt(`cannot ${what} ${this.#path}`, run);
  }
}

async function attempt<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof VmferryError) throw cause;
    const { code, name, message } = cause as NodeJS.ErrnoException;
    const errors = {
      ENOENT: 'NotFound',
      EACCES: 'Denied',
      EPERM: 'Denied',
      ENOSPC: 'NoSpace',
      EDQUOT: 'NoSpace',
    } as const;
    const known = name === 'AbortError' ? 'Cancelled' : (errors[code as keyof typeof errors] ?? 'ToolFailed');
    throw new VmferryError(known, `${what}: ${message}`, { cause });
  }
}
