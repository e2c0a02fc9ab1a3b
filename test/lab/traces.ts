import { readdir, readFile, readlink } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';

/** What of a lab host can be seen from outside. */
export interface Traces {
  processes: string[];
  mounts: string[];
  interfaces: string[];
}

/** The process namespace of a host's first process; the number stays unknown to others while anything lives in it. */
export async function namespaceOf(pid: number): Promise<string> {
  return readlink(`/proc/${pid}/ns/pid`);
}

/** Everything that is left of hosts with these namespaces and interfaces, and of the folder they lie in. */
export async function findTraces(namespaces: string[], interfaces: string[], directory: string): Promise<Traces> {
  const processes: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const namespace = await readlink(`/proc/${pid}/ns/pid`).catch(() => '');
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (namespaces.includes(namespace) || command.includes(directory)) processes.push(`${pid} ${command}`);
  }
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .filter((line) => line.includes(directory));
  const present = Object.keys(networkInterfaces());
  return { processes, mounts, interfaces: present.filter((name) => interfaces.includes(name)) };
}
