import type { z } from 'zod';
import { VmferryError } from '../errors.js';

const SHOWN_CHARACTERS = 80;

/**
 * `input` as `schema` wants it.
 * @throws VmferryError `InvalidRequest` with a line for each wrong field: its path, what was given, what is expected.
 */
export function parseRequest<S extends z.ZodType>(schema: S, input: unknown, what: string): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const lines = wrongFields(result.error, input);
  throw new VmferryError('InvalidRequest', `cannot accept ${what}:\n${lines.map((line) => `  ${line}`).join('\n')}`, {
    details: { fields: lines },
  });
}

/** One line for each wrong field. */
export function wrongFields(error: z.ZodError, input: unknown): string[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => `${[...issue.path, key].map(String).join('.')}: unknown field`);
    }
    const path = issue.path.map(String).join('.') || '(the whole)';
    return [`${path}: given ${shown(valueAt(input, issue.path))}, ${issue.message.replace(/^Invalid input: /, '')}`];
  });
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
