import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkTables } from '../../src/check-reference.js';
import { RULES } from '../../src/checks/index.js';
import { vmferryConfig } from '../../src/config.js';
import { GUEST_FINDINGS } from '../../src/guest/finding-kinds.js';
import { migrateVmRequest } from '../../src/request/migrate-vm.js';
import { fieldTable } from '../../src/request-reference.js';
import { publishedSchemas } from '../../src/schemas.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const STALE = 'out of date: npm run schemas';

const packageJson = z.object({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});

async function pages(): Promise<[name: string, text: string][]> {
  const names = ['README.md', ...(await readdir(join(ROOT, 'docs'))).map((name) => `docs/${name}`)];
  const wanted = names.filter((name) => name.endsWith('.md'));
  return Promise.all(wanted.map(async (name) => [name, await readFile(join(ROOT, name), 'utf8')]));
}

test('the published JSON Schemas are those of the code', async () => {
  const folder = join(ROOT, 'docs', 'schemas');
  const schemas = publishedSchemas();
  assert.deepEqual(
    (await readdir(folder)).sort(),
    Object.keys(schemas)
      .map((name) => `${name}.json`)
      .sort(),
    STALE,
  );
  for (const [name, schema] of Object.entries(schemas)) {
    const published = await readFile(join(folder, `${name}.json`), 'utf8');
    assert.equal(published, `${JSON.stringify(schema, null, 2)}\n`, `${name}.json is ${STALE}`);
  }
});

test('the tables of docs/requests.md are those of the code', async () => {
  const text = await readFile(join(ROOT, 'docs', 'requests.md'), 'utf8');
  const schemas = publishedSchemas();
  const tables = [...text.matchAll(/<!-- table ([\w-]+) -->\n\n([^]*?)\n\n<!-- end -->/g)];
  assert.deepEqual(
    tables.map((each) => each[1]),
    ['migrate-vm', 'assess-fleet', 'vmferry'],
  );
  for (const [, name, table] of tables) assert.equal(table, fieldTable(schemas[name!]!), `${name} is ${STALE}`);
});

test('the tables of docs/checks.md are those of the rules', async () => {
  const text = await readFile(join(ROOT, 'docs', 'checks.md'), 'utf8');
  const tables = [...text.matchAll(/<!-- table ([\w-]+) -->\n\n([^]*?)\n\n<!-- end -->/g)];
  const wanted = Object.entries(checkTables());
  assert.deepEqual(
    tables.map(([, name, table]) => [name, table]),
    wanted,
    `docs/checks.md is ${STALE}`,
  );
  for (const [name, table] of wanted) assert.doesNotMatch(table, /\| \|/, `${name} leaves something out`);
});

test('what is found in a guest has a title and a source, and nothing else has', async () => {
  const found = new Set(['guest.conversion-failed']);
  for (const name of await readdir(join(ROOT, 'src', 'guest'), { recursive: true })) {
    if (!name.endsWith('.ts') || name === 'finding-kinds.ts') continue;
    const code = await readFile(join(ROOT, 'src', 'guest', name), 'utf8');
    for (const [, id] of code.matchAll(/'(guest\.[a-z-]+)'/g)) found.add(id!);
  }
  const rules = new Set(RULES.map(({ id }) => id));
  assert.deepEqual([...found].filter((id) => !rules.has(id)).sort(), Object.keys(GUEST_FINDINGS).sort());
});

test('what assessments find besides is listed in docs/checks.md, and nothing that nobody finds', async () => {
  const text = await readFile(join(ROOT, 'docs', 'checks.md'), 'utf8');
  const listed = [...text.matchAll(/^- ((?:`[a-z.-]+`(?:, )?)+): .{10,}/gm)].flatMap((match) =>
    [...match[1]!.matchAll(/`([^`]+)`/g)].map((id) => id[1]!),
  );
  const folders = ['activities', 'workflows', 'workflows/phases'];
  const raised = new Set<string>();
  const names = await Promise.all(
    folders.map(async (folder) => (await readdir(join(ROOT, folder))).map((name) => join(folder, name))),
  );
  // What is found where a VM is judged, beside the rules.
  for (const name of [...names.flat().filter((each) => each.endsWith('.ts')), 'src/checks/judge.ts']) {
    const code = await readFile(join(ROOT, name), 'utf8');
    for (const [, id] of code.matchAll(/\bid: '([a-z]+\.[a-z-]+)'/g)) if (!(id! in GUEST_FINDINGS)) raised.add(id!);
  }
  assert.deepEqual(listed.sort(), [...raised].sort());
});

test('who fills in a webhook is told that its URL can be read in Temporal, and where a secret one belongs', async () => {
  const { webhook } = migrateVmRequest.shape.notify.unwrap().shape;
  assert.match(webhook.description ?? '', /workflow's input and history.*`hooks` in vmferry\.yaml/);
  const text = await readFile(join(ROOT, 'docs', 'requests.md'), 'utf8');
  const section = /### Notifications, and URLs that are secrets\n([^]*?)\n## /.exec(text)?.[1] ?? '';
  // The example is one that configuration and request take.
  const yaml = parse(/```yaml\n([^]*?)```/.exec(section)![1]!) as { hooks: Record<string, string[]> };
  const { hooks } = vmferryConfig.parse({ sites: {}, ...yaml });
  const { notify } = migrateVmRequest.parse(JSON.parse(/```json\n([^]*?)```/.exec(section)![1]!));
  assert.ok(notify?.hook !== undefined && notify.hook in hooks);
});

test('every dependency is listed with a reason, and nothing else is', async () => {
  const { dependencies, devDependencies } = packageJson.parse(
    JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')),
  );
  const text = await readFile(join(ROOT, 'docs', 'dependencies.md'), 'utf8');
  const [modules = ''] = text.split('## Programs');
  const rows = [...modules.matchAll(/^\| `([^`]+)` +\| (.{10,}) \|$/gm)];
  const names = [...Object.keys(dependencies), ...Object.keys(devDependencies)];
  assert.deepEqual(rows.map((row) => row[1]!).sort(), names.sort());
});

test('every page of the docs is linked from the README', async () => {
  const [[, readme], ...others] = (await pages()) as [[string, string], ...[string, string][]];
  for (const [name] of others) assert.ok(readme.includes(`(${name})`), name);
});

test('every page that the docs link to is there, and so is every anchor', async () => {
  const texts = await pages();
  let links = 0;
  for (const [page, text] of texts) {
    for (const [, link] of text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
      const [path, anchor] = link!.split('#');
      const target = path ? join(dirname(page), path) : page;
      assert.ok(existsSync(join(ROOT, target)), `${page} links to ${link}`);
      links += 1;
      if (!anchor) continue;
      const linked = texts.find(([name]) => name === target)?.[1] ?? '';
      assert.ok(anchors(linked).includes(anchor), `${page} links to ${link}`);
    }
  }
  assert.ok(links > 10);
});

/** Anchors as GitHub makes them of headings. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('every verb that the docs show is one of the command line', async () => {
  const { vmferry } = await import('../cli/capture.js');
  const { out } = await vmferry(['--help']);
  const known = new Set([...out.matchAll(/^ {2}([a-z-]+) /gm)].map((match) => match[1]!));
  for (const [page, text] of await pages()) {
    const code = [...text.matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1]!).join('\n');
    const shown = [
      ...code.matchAll(/(?:^|npx )vmferry ([a-z-]+)/gm),
      ...text.matchAll(/`vmferry (?!root v1)([a-z-]+)/g),
    ];
    for (const [, verb] of shown) assert.ok(known.has(verb!) || verb === 'help', `${page} shows vmferry ${verb}`);
  }
});
