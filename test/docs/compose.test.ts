import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Only what is looked at below; whether the file is one at all is for the Compose specification's own schema. */
const service = z.object({
  image: z.string().optional(),
  depends_on: z.union([z.array(z.string()), z.record(z.string(), z.unknown())]).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  ports: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
});
const compose = z.object({
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.unknown()),
});

/** dclint's own types are not found by Node's way of resolving. */
interface Linter {
  lintFiles(paths: readonly string[], recursive: boolean): unknown;
}
const dclint: unknown = await import('dclint');
const { DCLinter } = dclint as { DCLinter: new (config: object) => Linter };

/** Of the one file that is asked for; where it was not looked at, there is none. */
const lintResults = z.tuple([z.object({ messages: z.array(z.object({ rule: z.string(), message: z.string() })) })]);

const COMPOSE = join(ROOT, 'docker-compose.yml');

/** What the Compose specification's schema, as dclint carries it, has against a file; dclint's taste is not asked for. */
function mistakesIn(path: string): string[] {
  const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] });
  const [result] = lintResults.parse(linter.lintFiles([path], false));
  return result.messages.filter(({ rule }) => rule.startsWith('invalid-')).map(({ message }) => message);
}

const text = await readFile(COMPOSE, 'utf8');
const file = compose.parse(parse(text));
const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');

test('the file fits the schema of the Compose specification', () => {
  assert.deepEqual(mistakesIn(COMPOSE), []);
});

test('a file with a slip of the pen does not fit, and it is said where', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-compose-'));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'docker-compose.yml');
  for (const [right, wrong, where] of [
    ['restart: unless-stopped', 'restrat: unless-stopped', '/services/postgresql'],
    ['condition: service_healthy', 'condition: healthy', '/services/temporal/depends_on'],
    ['init: true', 'init: [true]', '/services/worker/init'],
    ['volumes:\n  postgresql: {}', 'volumes: [postgresql]', '/volumes'],
  ] as const) {
    assert.ok(text.includes(right), right);
    await writeFile(path, text.replace(right, wrong));
    const [mistake = 'none', ...others] = mistakesIn(path);
    assert.ok(mistake.includes(`instancePath="${where}"`) && others.length === 0, `${wrong}: ${mistake}`);
  }
});

test('images are pinned, ports are on the loopback, and everything that is named is there', () => {
  for (const [name, each] of Object.entries(file.services)) {
    if (each.image !== undefined) assert.match(each.image, /:\d+\.\d+(\.\d+)?(-[a-z0-9]+)?$/, name);
    for (const port of each.ports ?? []) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/, name);
    const needs = Array.isArray(each.depends_on) ? each.depends_on : Object.keys(each.depends_on ?? {});
    for (const other of needs) assert.ok(other in file.services, `${name} needs ${other}`);
    for (const volume of each.volumes ?? []) {
      const source = volume.split(':')[0]!;
      assert.ok(/^[./]/.test(source) || source in file.volumes, `${name} mounts ${volume}`);
    }
  }
});

test('no password stands in the file', () => {
  for (const each of Object.values(file.services)) {
    for (const [name, value] of Object.entries(each.environment ?? {})) {
      if (/PASSWORD|PWD/.test(name)) assert.match(value, /^\$\{[A-Z_]+:\?.+\}$/);
    }
  }
});

test('the image is pinned, brings what a worker drives, and does not run as root by itself', () => {
  const stages = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1]!);
  assert.ok(stages.length === 2 && stages.every((image) => /:\d+\.\d+\.\d+-/.test(image)));
  for (const tool of ['qemu-utils', 'libvirt-clients', 'openssh-client']) assert.ok(dockerfile.includes(tool));
  assert.match(dockerfile, /^USER (?!root)\w+$/m);
});
