// Compiles TypeScript to dist/ and bundles the workflows, so that workers start fast and small.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = (args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};

run([join('node_modules', 'typescript', 'bin', 'tsc')]);
run([join('dist', 'src', 'bundle.js')]);
