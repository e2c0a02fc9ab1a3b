// Compiles TypeScript to dist/ and bundles the workflows, so that workers start fast and small.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = (args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};

// What has lost its source must not run any more.
const dist = join(root, 'dist');
for (const name of existsSync(dist) ? readdirSync(dist, { recursive: true }) : []) {
  const source = join(root, name.replace(/\.js(\.map)?$/, '.ts'));
  if (/\.js(\.map)?$/.test(name) && name !== 'workflow-bundle.js' && !existsSync(source)) rmSync(join(dist, name));
}
run([join('node_modules', 'typescript', 'bin', 'tsc')]);
run([join('dist', 'src', 'bundle.js')]);
