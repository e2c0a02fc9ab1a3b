import type { z } from 'zod';
import { VmferryError } from '../errors.js';
import { formatCount } from '../model/format.js';

const SHOWN_CHARACTERS = 80;

/**
 * `input` as `schema` wants it.
 * @param optionOf how the command line gives a field, for its line: `--from`.
 * @throws VmferryError `InvalidRequest` with a line for each wrong field: its path, what was given, what is expected.
 */
export function parseRequest<S extends z.ZodType>(
  schema: S,
  input: unknown,
  what: string,
  optionOf: OptionOf = () => undefined,
): z.output<S> {
  const result = checkInput(schema, input);
  if (result.success) return result.data;
  const lines = wrongFields(result.error, input, optionOf);
  throw new VmferryError('InvalidRequest', `cannot accept ${what}:\n${lines.map((line) => `  ${line}`).join('\n')}`, {
    details: { fields: lines },
  });
}

export type OptionOf = (path: string) => string | undefined;

/** Whether `input` is as `schema` wants it; what is wrong is said in plain words. */
export function checkInput<S extends z.ZodType>(schema: S, input: unknown): z.ZodSafeParseResult<z.output<S>> {
  return schema.safeParse(input, { error: inWords });
}

/** One line for each wrong field. */
export function wrongFields(error: z.ZodError, input: unknown, optionOf: OptionOf = () => undefined): string[] {
  const lines = new Map<string, string>();
  for (const issue of error.issues) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const path = pathOf([...issue.path, key]);
        lines.set(path, `${path}: unknown field`);
      }
      continue;
    }
    const path = pathOf(issue.path);
    const option = optionOf(path);
    // The first of a field says enough.
    if (!lines.has(path)) lines.set(path, `${wrongField(issue, path, input)}${option ? ` (${option})` : ''}`);
  }
  return [...lines.values()];
}

function wrongField(issue: z.core.$ZodIssue, path: string, input: unknown): string {
  if (issue.code === 'invalid_key') {
    const why = issue.issues[0]?.message ?? 'expected another';
    return `${pathOf(issue.path.slice(0, -1))}: given the name ${shown(issue.path.at(-1))}, ${why}`;
  }
  return `${path}: given ${shown(valueAt(input, issue.path))}, ${issue.message}`;
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.map(String).join('.') || '(the whole)';
}

const TYPES: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What is expected, where the schema itself has no words for it. */
const inWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected ${oneOf(issue.values)}`;
    case 'invalid_union':
      return Array.isArray(issue.options) ? `expected ${oneOf(issue.options)}` : 'expected something else';
    case 'too_small':
      return `expected ${bounded(issue.origin, 'at least', issue.minimum)}`;
    case 'too_big':
      return `expected ${bounded(issue.origin, 'at most', issue.maximum)}`;
    case 'invalid_format':
      return issue.format === 'url' ? 'expected a URL that begins with http:// or https://' : undefined;
    default:
      return undefined;
  }
};

function oneOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length > 1 ? `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}` : (texts[0] ?? 'nothing');
}

function bounded(origin: string, bound: string, limit: number | bigint): string {
  if (origin === 'string') return `a text of ${bound} ${formatCount(Number(limit), 'character')}`;
  if (origin === 'array') return `a list of ${bound} ${formatCount(Number(limit), 'element')}`;
  return `${bound} ${limit}`;
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
