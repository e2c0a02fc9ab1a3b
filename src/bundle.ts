import { bundleWorkflowCode } from '@temporalio/worker';
import { rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Bundles the compiled workflows beside them, so that a worker starts fast and with little memory. Run by scripts/build.mjs. */
const source = fileURLToPath(new URL('../workflows/index.js', import.meta.url));
const converter = fileURLToPath(new URL('../workflows/payload-converter.js', import.meta.url));
export const bundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));

const quiet = { trace() {}, debug() {}, info() {}, log() {}, warn: console.warn, error: console.error };
const { code } = await bundleWorkflowCode({
  workflowsPath: source,
  payloadConverterPath: converter,
  logger: quiet,
  // Of each error the file and line; every worker holds the map several times over, and needs no sources in it.
  webpackConfigHook: (config) => ({ ...config, devtool: 'inline-nosources-source-map' }),
});
// A string with any other character takes two bytes for each: in literals and comments, where alone they stand, an escape
// means the same.
const ascii = code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
await writeFile(`${bundlePath}.tmp`, ascii);
await rename(`${bundlePath}.tmp`, bundlePath);
