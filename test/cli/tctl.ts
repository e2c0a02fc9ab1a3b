import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

/** What a shell makes of a line: its words. */
export function words(line: string): string[] {
  const script = 'for word in "$@"; do printf "%s\\0" "$word"; done';
  return execFileSync('sh', ['-c', `set -- ${line}\n${script}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);
}

export interface TctlRequest {
  server: { address?: string; namespace?: string };
  verb: string;
  flags: Record<string, string>;
  /** What goes over the wire as the one argument. */
  input: unknown;
}

/**
 * A line for tctl, which is not here, read as tctl 1.18 reads it (its cli_curr/app.go, workflow.go and flags.go): options of
 * the server before the command only, these flags for each verb and no others, and the input as one JSON value.
 */
const SERVER = ['address', 'namespace'];
const VERBS: Record<string, { flags: string[]; required: string[] }> = {
  start: {
    flags: ['workflow_id', 'workflow_type', 'taskqueue', 'input'],
    required: ['taskqueue', 'workflow_type'],
  },
  signal: { flags: ['workflow_id', 'run_id', 'name', 'input'], required: ['workflow_id', 'name'] },
};

export function readTctl(line: string): TctlRequest {
  const rest = words(line);
  assert.equal(rest.shift(), 'tctl', line);
  const server = flagsAtStart(rest, SERVER, line);
  assert.equal(rest.shift(), 'workflow', line);
  const verb = rest.shift() ?? '';
  const known = VERBS[verb];
  assert.ok(known, `tctl knows no workflow ${verb}: ${line}`);
  const flags = flagsAtStart(rest, known.flags, line);
  assert.deepEqual(rest, [], `tctl takes no further words: ${line}`);
  for (const name of known.required) assert.ok(flags[name], `tctl needs --${name}: ${line}`);
  return { server, verb, flags, input: JSON.parse(flags['input'] ?? 'null') as unknown };
}

/** Takes flags off the front of `rest`; one that tctl does not know is wrong. */
function flagsAtStart(rest: string[], known: readonly string[], line: string): Record<string, string> {
  const flags: Record<string, string> = {};
  while (rest[0]?.startsWith('-')) {
    const name = rest.shift()!.replace(/^--?/, '');
    assert.ok(known.includes(name), `tctl knows no --${name} here: ${line}`);
    const value = rest.shift();
    assert.ok(value !== undefined, `--${name} without a value: ${line}`);
    flags[name] = value;
  }
  return flags;
}
