// Runs the compiled tests and counts them. The last line is `N passed, N failed`; what was skipped counts as failed.
//   node scripts/test.mjs [--long] [WORD…]   only files whose path holds a word
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { root, startAsRoot } from './say.mjs';

const long = process.argv.includes('--long');
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
/** A test that hangs is ended after this; the long ones get more. */
const TEST_TIMEOUT_MS = long ? 60 * 60_000 : 15 * 60_000;
/** These start hypervisors, and would starve each other. */
const ALONE = /\/(e2e|platforms|lab|workflows)\//;

const folder = join(root, 'dist', 'test');
const files = readdirSync(folder, { recursive: true })
  .map((name) => join(folder, name))
  .filter((path) => path.endsWith('.test.js') && path.endsWith('.long.test.js') === long)
  .filter((path) => words.length === 0 || words.some((word) => relative(root, path).includes(word)))
  .sort();

const counts = { pass: 0, fail: 0 };
/** What failed, as TAP tells it: said once more at the end, where a long log is still read. */
const failures = [];
const MOST_OF_A_FAILURE = 3000;
const work = mkdtempSync(join(tmpdir(), 'vmferry-test-'));
try {
  await runFiles(
    files.filter((path) => !ALONE.test(path)),
    2,
  );
  await runFiles(
    files.filter((path) => ALONE.test(path)),
    1,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (counts.pass + counts.fail === 0) {
  console.error('no test was run');
  counts.fail = 1;
}
for (const text of failures) console.log(text.slice(0, MOST_OF_A_FAILURE));
console.log(`${counts.pass} passed, ${counts.fail} failed`);
process.exitCode = counts.fail === 0 ? 0 : 1;

async function runFiles(paths, concurrency) {
  if (paths.length === 0) return;
  const tap = join(work, `${concurrency}.tap`);
  const args = [
    '--enable-source-maps',
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${TEST_TIMEOUT_MS}`,
  ];
  args.push(
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${tap}`,
  );
  // sudo asks for its password on the terminal itself.
  const named = paths.map((path) => relative(root, path));
  const child = startAsRoot([...args, ...named], ['ignore', 'inherit', 'inherit']);
  const status = await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  const result = readFileSync(tap, 'utf8');
  failures.push(
    ...[...result.matchAll(/^( *)not ok [^]*?^\1  \.\.\.$|^ *ok .* # (?:SKIP|TODO).*$/gm)].map(([text]) => text),
  );
  const read = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(result)?.[1] ?? 0);
  // Node takes a file that holds no test for a test that passed, by the file's name.
  const known = new Set([...paths, ...named]);
  const empty = [...result.matchAll(/^ok \d+ - (.*)$/gm)].map(([, name]) => name).filter((name) => known.has(name));
  for (const name of empty) console.error(`${name} holds no test`);
  counts.pass += read('pass') - empty.length;
  const failed = read('fail') + read('cancelled') + read('skipped') + read('todo') + empty.length;
  // A runner that failed without naming a test has failed all the same.
  counts.fail += failed === 0 && status !== 0 ? 1 : failed;
}
