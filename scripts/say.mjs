// How the set-up speaks and runs things. Zero dependencies, as all of scripts/.
import { spawnSync } from 'node:child_process';
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
