import { bundleWorkflowCode } from '@temporalio/worker';
import { rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Bundles the compiled workflows beside them, so that a worker starts fast and with little memory. Run by scripts/build.mjs. */
const source = fileURLToPath(new URL('../workflows/index.js', import.meta.url));
const converter = fileURLToPath(new URL('../workflows/payload-converter.js', import.meta.url));
export const bundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));

const quiet = { trace() {}, debug() {}, info() {}, log() {}, warn: console.warn, error: console.error };
const { code } = await bundleWorkflowCode({ workflowsPath: source, payloadConverterPath: converter, logger: quiet });
await writeFile(`${bundlePath}.tmp`, code);
await rename(`${bundlePath}.tmp`, bundlePath);
