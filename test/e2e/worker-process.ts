import { loadConfig } from '../../src/config.js';
import { startWorker } from '../../src/worker.js';

/** A worker as a process of its own, so that tests can kill it: `node worker-process.js CONFIG ADDRESS`. */
const [config, address] = process.argv.slice(2);
const worker = await startWorker({ config: await loadConfig(config), address: address! });
process.once('SIGTERM', () => void worker.stop());
console.log('ready');
await worker.ended;
