import { execFile } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const run = promisify(execFile);
export const GIB = 2 ** 30;
export const MIB = 2 ** 20;

export interface NbdServer {
  socketPath: string;
  uri: string;
  /** Processor time that it took so far, in seconds (proc(5), stat). */
  cpuSeconds(): Promise<number>;
  end(): Promise<void>;
}

/** USER_HZ, the same on all of Linux's usual machines. */
const TICKS_PER_SECOND = 100;
let serial = 0;

/** `qemu-nbd` over an image, with the arguments both sides of a pair get. */
export async function qemuNbd(dir: string, image: string, ...args: string[]): Promise<NbdServer> {
  const base = join(dir, `bench${++serial}`);
  const [socketPath, pidFile] = [`${base}.sock`, `${base}.pid`];
  await run('qemu-nbd', ['--fork', '-t', '-e', '16', '-k', socketPath, '--pid-file', pidFile, ...args, image]);
  const pid = Number(await readFile(pidFile, 'utf8'));
  const running = (): Promise<boolean> =>
    readFile(`/proc/${pid}/status`, 'utf8').then(
      (text) => !/^State:\s+Z/m.test(text),
      () => false,
    );
  const end = async (): Promise<void> => {
    if (await running()) process.kill(pid, 'SIGTERM');
    while (await running()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const cpuSeconds = async (): Promise<number> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [user = NaN, system = NaN] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return (user + system) / TICKS_PER_SECOND;
  };
  return { socketPath, uri: `nbd+unix:///?socket=${socketPath}`, cpuSeconds, end };
}

/** A raw file with random data in the first `dataBytes` of every `strideBytes`, holes elsewhere. */
export async function randomFile(path: string, sizeBytes: number, dataBytes = MIB, strideBytes = MIB): Promise<void> {
  const random = await open('/dev/urandom');
  const file = await open(path, 'w');
  const buffer = Buffer.alloc(dataBytes);
  await file.truncate(sizeBytes);
  for (let at = 0; at < sizeBytes; at += strideBytes) {
    const { bytesRead } = await random.read(buffer, 0, dataBytes);
    await file.write(buffer, 0, bytesRead, at);
  }
  await file.sync();
  await Promise.all([random.close(), file.close()]);
}

/** Seconds that `work` took. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}

/** Writes out what earlier rounds left, so that no round pays for another. */
export async function settle(): Promise<void> {
  await run('sync', []);
}
