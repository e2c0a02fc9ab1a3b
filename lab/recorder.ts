import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VmferryError } from '../src/errors.js';
import { exists } from './debian.js';
import type { LabHost } from './host/lab-host.js';

/** Port of the recorder at every lab host, at the bridge's address. */
export const RECORDER_PORT = 7000;

export interface Recorded {
  /** When it arrived, by this machine's clock. */
  atMs: number;
  /** A number that was on all the guest's disks when it was sent. */
  counter: number;
}

/** A boot of a guest that made itself known. */
export interface RecordedBoot {
  atMs: number;
  guest: string;
  bootId: string;
  /** The counter that it found at its start. */
  first: number;
}

/** Takes down, outside the guest, every number that a guest at this host says is on its disks. */
export interface Recorder {
  /** Lines as they arrived, each after the time in ms. */
  readonly file: string;
  /** All numbers, in the order of arrival. */
  numbers(): Promise<Recorded[]>;
  /** The highest number so far; 0 for none. */
  last(): Promise<number>;
  boots(): Promise<RecordedBoot[]>;
  stop(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('recorder-process.js', import.meta.url));

/** Starts the recorder in the host; it ends with it at the latest. */
export async function startRecorder(host: LabHost): Promise<Recorder> {
  const file = join(host.directory, 'recorder.log');
  const pidFile = join(host.directory, 'recorder.pid');
  const program = [process.execPath, PROGRAM, String(RECORDER_PORT), file, pidFile];
  const script = 'exec setsid --fork "$@" </dev/null >"$0" 2>&1';
  await host.host.run('sh', ['-c', script, `${file}.errors`, ...program]);
  for (let tries = 0; !(await exists(pidFile)); tries++) {
    if (tries >= 200) {
      const errors = await readFile(`${file}.errors`, 'utf8').catch(() => '');
      throw new VmferryError(
        'Timeout',
        `cannot start the recorder at ${host.name}: ${errors.trim() || 'no sign of it'}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const lines = async () => {
    const text = await readFile(file, 'utf8');
    // The last line may be on its way.
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(' '));
  };
  const numbers = async () =>
    (await lines())
      .filter((words) => words.length === 2)
      .map(([at, counter]) => ({ atMs: Number(at), counter: Number(counter) }));
  return {
    file,
    numbers,
    last: async () => (await numbers()).reduce((highest, { counter }) => Math.max(highest, counter), 0),
    boots: async () =>
      (await lines())
        .filter((words) => words[1] === 'hello')
        .map(([at, , guest = '', bootId = '', first]) => ({ atMs: Number(at), guest, bootId, first: Number(first) }))
        // A guest that connects again says the same once more.
        .filter((boot, index, all) => all.findIndex((each) => each.bootId === boot.bootId) === index),
    stop: async () => {
      const pid = (await readFile(pidFile, 'utf8')).trim();
      await host.host.run('kill', [pid], { okExitCodes: [0, 1] });
    },
  };
}
