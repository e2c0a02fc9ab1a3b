import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { findTraces, namespaceOf, type Traces } from './traces.js';

const PROGRAM = fileURLToPath(new URL('../../lab/main.js', import.meta.url));
const NOTHING: Traces = { processes: [], mounts: [], interfaces: [] };

test('the demo stopped by Ctrl-C while its guest boots leaves nothing behind', async (t) => {
  const demo = start('--yes');
  t.after(() => demo.kill('SIGKILL'));
  const printed = await untilPrinted(demo, /Booting the guest/);
  const { directory, namespaces } = await hostsOf(printed);
  const running = await findTraces(namespaces, [], directory);
  assert.ok(running.processes.some((process) => process.includes('start-dev')));
  assert.ok(running.processes.some((process) => process.includes('libvirtd')));
  demo.kill('SIGINT');
  const [status] = (await once(demo, 'exit')) as [number];
  assert.equal(status, 130);
  assert.deepEqual(await findTraces(namespaces, [], directory), NOTHING);
  await assert.rejects(stat(directory), { code: 'ENOENT' });
});

test('help says what the options are, and a wrong one is refused', async () => {
  const help = start('--help');
  assert.match(await untilPrinted(help, /--report <dir>/), /--fail-probe[\s\S]*--keep/);
  const wrong = start('--yes', '--wait');
  const [status] = (await once(wrong, 'exit')) as [number];
  assert.equal(status, 2);
});

test('only the folder of a demo is ended and removed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-lab-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const named of [folder, join(folder, 'not-there')]) {
    const refused = start('--stop', named);
    const [status] = (await once(refused, 'exit')) as [number];
    assert.equal(status, 1);
  }
  assert.ok((await stat(folder)).isDirectory());
});

function start(...options: string[]): ChildProcessWithoutNullStreams {
  const environment = { ...process.env };
  delete environment['TEMPORAL_ADDRESS'];
  return spawn(process.execPath, ['--enable-source-maps', PROGRAM, ...options], { env: environment });
}

/** Everything printed until `wanted` is in it. */
async function untilPrinted(child: ChildProcessWithoutNullStreams, wanted: RegExp): Promise<string> {
  let printed = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdout.setEncoding('utf8');
  for await (const text of child.stdout.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    printed += text;
    if (wanted.test(printed)) return printed;
  }
  assert.fail(`it ended without ${wanted}:\n${printed}${errors}`);
}

async function hostsOf(printed: string): Promise<{ directory: string; namespaces: string[] }> {
  const directory = /keyfile=(\S+?)\/dc-old\//.exec(printed)?.[1];
  assert.ok(directory);
  const pids = await Promise.all(
    ['dc-old', 'dc-new'].map(async (name) => Number(await readFile(`${directory}/${name}/pid`, 'utf8'))),
  );
  return { directory, namespaces: await Promise.all(pids.map(namespaceOf)) };
}
