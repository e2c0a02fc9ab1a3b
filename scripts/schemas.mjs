// Writes docs/schemas/*.json and the tables of docs/requests.md and docs/checks.md from the compiled code: npm run schemas.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = (name) => import(pathToFileURL(join(root, 'dist', 'src', name)).href);
const { publishedSchemas } = await compiled('schemas.js');
const { fieldTable } = await compiled('request-reference.js');
const { checkTables } = await compiled('check-reference.js');

const schemas = publishedSchemas();
const folder = join(root, 'docs', 'schemas');
await mkdir(folder, { recursive: true });
for (const file of await readdir(folder)) {
  if (file.endsWith('.json') && !(file.slice(0, -5) in schemas)) await rm(join(folder, file));
}
for (const [name, schema] of Object.entries(schemas)) {
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(schema, null, 2)}\n`);
}

await fillTables('requests.md', (name) => fieldTable(schemas[name]));
const tables = checkTables();
await fillTables('checks.md', (name) => tables[name]);

/** Puts between `<!-- table NAME -->` and `<!-- end -->` of a page what `table` makes of the name. */
async function fillTables(file, table) {
  const page = join(root, 'docs', file);
  const text = await readFile(page, 'utf8');
  await writeFile(
    page,
    text.replace(
      /(<!-- table ([\w-]+) -->\n)[^]*?(<!-- end -->)/g,
      (_, begin, name, end) => `${begin}\n${table(name)}\n\n${end}`,
    ),
  );
}
