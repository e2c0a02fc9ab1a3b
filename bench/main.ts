import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { explain } from '../src/errors.js';
import { checkFolder } from '../src/file-trouble.js';
import { summarise, type Benchmark, type BenchmarkResult } from './benchmark.js';
import { deltaIdle } from './delta-idle.js';
import { downtimeWarm } from './downtime-warm.js';
import { fileRaw } from './file-raw.js';
import { history } from './history.js';
import { httpImport } from './http-import.js';
import { memory } from './memory.js';
import { nbdRandom } from './nbd-random.js';
import { nbdSparse } from './nbd-sparse.js';
import { ovaImport } from './ova-import.js';
import { resume } from './resume.js';
import { verify } from './verify.js';

/** All benchmarks. A new one is a file and a line here. */
const BENCHMARKS: readonly Benchmark[] = [
  nbdRandom,
  nbdSparse,
  fileRaw,
  ovaImport,
  httpImport,
  verify,
  deltaIdle,
  resume,
  downtimeWarm,
  memory,
  history,
];

const USAGE = `usage: npm run bench -- [--json FILE] [--rounds N] [--dir DIR] [NAME…]
  --json FILE   write the raw runs, too
  --rounds N    pairs of each benchmark, default 5
  --dir DIR     where the disks lie, default the system's temporary folder`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, rounds: { type: 'string', default: '5' }, dir: { type: 'string' } },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds} is no number of rounds`);
  const names = BENCHMARKS.map(({ name }) => name);
  const unknown = positionals.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`no benchmark ${unknown.join(', ')}; there are: ${names.join(', ')}`);
  // At the end it would be too late to say so.
  if (values.json) await checkFolder(dirname(resolve(values.json)), 'Name another file with --json.');
  if (values.dir) await checkFolder(values.dir, 'Name another folder with --dir.');
  const results: BenchmarkResult[] = [];
  for (const benchmark of BENCHMARKS) {
    if (positionals.length > 0 && !positionals.includes(benchmark.name)) continue;
    const dir = await mkdtemp(join(values.dir ?? tmpdir(), 'vmferry-bench-'));
    try {
      const log = (line: string): void => void process.stderr.write(`${benchmark.name}: ${line}\n`);
      results.push(summarise(benchmark, await benchmark.run({ dir, rounds, log })));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
  print(results);
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    at: new Date().toISOString(),
  };
  if (values.json) await writeFile(values.json, `${JSON.stringify({ machine, benchmarks: results }, null, 2)}\n`);
  return 0;
}

function print(results: readonly BenchmarkResult[]): void {
  const rows = results.map(({ name, unit, ours, theirs, ratio, peer }) => [
    name,
    `${ours.toFixed(2)} ${unit}`,
    theirs === null ? '-' : `${theirs.toFixed(2)} ${unit}`,
    ratio === null ? '-' : ratio.toFixed(2),
    peer ?? '-',
  ]);
  const table = [['benchmark', 'ours', 'theirs', 'ratio', 'peer'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  for (const row of table) console.log(row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '));
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(explain(error));
  const wrongUse =
    error instanceof Error && !('cmd' in error) && /^(no benchmark|--rounds|Unknown option|Option)/.test(error.message);
  if (wrongUse) console.error(USAGE);
  process.exitCode = wrongUse ? 2 : 1;
}
