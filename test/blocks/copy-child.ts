import { copyDisk, Manifest, openNbd, RateLimiter } from '../../src/blocks/index.js';

/** A process that copies a disk, to be killed by the test: sockets of source, replica and manifest, and the disk's size. */
const [source = '', replica = '', manifest = '', size = '0'] = process.argv.slice(2);
const [reader, writer, store] = await Promise.all([
  openNbd({ socketPath: source }),
  openNbd({ socketPath: replica }),
  openNbd({ socketPath: manifest }),
]);
process.send?.('ready');
// Slow enough that no machine is done before the test kills it.
const limiter = new RateLimiter(150 * 1024 * 1024);
const copy = { source: reader, replica: writer, manifest: new Manifest(store, Number(size)) };
await copyDisk({ ...copy, mode: 'unknown', limiter });
await Promise.all([reader.close(), writer.close(), store.close()]);
process.disconnect?.();
