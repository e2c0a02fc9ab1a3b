import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The part of the Compose specification that the file uses; an unknown key is a mistake. */
const environment = z.record(z.string().regex(/^[A-Z_]+$/), z.string());
const service = z
  .strictObject({
    image: z.string().optional(),
    build: z.string().optional(),
    user: z.string().optional(),
    init: z.boolean().optional(),
    restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']).optional(),
    stop_grace_period: z
      .string()
      .regex(/^\d+s$/)
      .optional(),
    depends_on: z
      .union([
        z.array(z.string()),
        z.record(z.string(), z.strictObject({ condition: z.enum(['service_started', 'service_healthy']) })),
      ])
      .optional(),
    environment: environment.optional(),
    ports: z.array(z.string()).optional(),
    volumes: z.array(z.string()).optional(),
    healthcheck: z
      .strictObject({ test: z.array(z.string()), interval: z.string(), timeout: z.string(), retries: z.number() })
      .optional(),
  })
  .refine((value) => (value.image === undefined) !== (value.build === undefined), 'either image or build');
const compose = z.strictObject({
  name: z.string(),
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.strictObject({})),
});

const file = compose.parse(parse(await readFile(join(ROOT, 'docker-compose.yml'), 'utf8')));
const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');

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
