import type { JsonSchema } from './schemas.js';

/** One field of a request, for a table. */
interface Field {
  path: string;
  type: string;
  fallback: string;
  about: string;
}

/** The fields of a JSON Schema's object, nested ones by their dotted path, as a Markdown table. */
export function fieldTable(schema: JsonSchema): string {
  const rows = fieldsOf(schema, '').map(({ path, type, fallback, about }) =>
    [`\`${path}\``, type, fallback, about].map((cell) => cell.replaceAll('|', '\\|')).join(' | '),
  );
  return ['| field | what | default | |', '|---|---|---|---|', ...rows.map((row) => `| ${row} |`)].join('\n');
}

function fieldsOf(schema: JsonSchema, before: string): Field[] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).flatMap(([name, given]) => {
    if (typeof given === 'boolean') return [];
    const path = before + name;
    if (given.properties) {
      const own = given.description ? [{ path, type: 'object', fallback: '', about: given.description }] : [];
      return [...own, ...fieldsOf(given, `${path}.`)];
    }
    return [
      { path, type: typeOf(given), fallback: fallbackOf(given, required.has(name)), about: given.description ?? '' },
    ];
  });
}

function fallbackOf(schema: JsonSchema, required: boolean): string {
  if (schema.default !== undefined) return `\`${JSON.stringify(schema.default)}\``;
  return required ? '**required**' : '';
}

function typeOf(schema: JsonSchema | boolean | undefined): string {
  if (schema === undefined || typeof schema === 'boolean') return 'any';
  if (schema.enum) return schema.enum.map((each) => `\`${JSON.stringify(each)}\``).join(', ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.oneOf) return schema.oneOf.map(kindOf).join(', ');
  if (schema.type === 'array') return `list of ${typeOf(Array.isArray(schema.items) ? schema.items[0] : schema.items)}`;
  if (schema.type === 'object') return `map to ${typeOf(schema.additionalProperties)}`;
  return schema.format ?? (typeof schema.type === 'string' ? schema.type : 'any');
}

/** One kind of a union: its kind and the fields that it takes. */
function kindOf(schema: JsonSchema | boolean): string {
  if (typeof schema === 'boolean' || !schema.properties) return typeOf(schema);
  const names = Object.keys(schema.properties).filter((name) => name !== 'kind' && name !== 'platform');
  const kind = schema.properties['kind'] ?? schema.properties['platform'];
  return `${typeOf(kind)} (${names.map((name) => `\`${name}\``).join(', ')})`;
}
