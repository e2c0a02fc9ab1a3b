// How the set-up speaks and runs things. Zero dependencies, as all of scripts/.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What can be built again: `$XDG_CACHE_HOME/vmferry`. */
export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vmferry');

export function say(text) {
  console.error(`vmferry set-up: ${text}`);
}

/** What, why, and the command that would mend it; then the end. */
export function giveUp(what, why, command) {
  console.error(`\nvmferry set-up: cannot ${what}: ${why}\n  Try: ${command}\n`);
  process.exit(1);
}

/** Runs a command that shows its own output; its exit status. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  return error ? 127 : (status ?? 1);
}

/** What a command prints, or null when it fails. */
export function ask(command, args, options = {}) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  return status === 0 ? stdout : null;
}

/** The path of a program on the PATH, or null. */
export function onPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder && isProgram(join(folder, name))) return join(folder, name);
  }
  return null;
}

export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What programs of ours read from the environment; sudo passes on nothing by itself. */
const KEPT = /^(TEMPORAL_|VMFERRY_|XDG_CACHE_HOME$|PATH$|CI$)/;

/** Whether root's rights can be had: they are there, or sudo is. */
export function canBeRoot() {
  return process.getuid() === 0 || onPath('sudo') !== null;
}

/**
 * Starts Node with root's rights, by sudo for others. npm itself would not help: it runs the scripts of a folder as the
 * folder's owner. Input and output are this process's own, as far as `stdio` says nothing else.
 */
export function startAsRoot(args, stdio = 'inherit') {
  const env = { ...process.env };
  let command = [process.execPath, ...args];
  if (process.getuid() !== 0) {
    console.error('vmferry: hosts with networks and mounts of their own need root: going on with sudo');
    // What was fetched or built once is found again.
    env.XDG_CACHE_HOME ||= dirname(cache);
    const names = Object.keys(env).filter((name) => KEPT.test(name));
    command = ['sudo', `--preserve-env=${names.join(',')}`, '--', ...command];
  }
  return spawn(command[0], command.slice(1), { cwd: root, stdio, env });
}
