import { copyDisk, Manifest, openNbd } from '../../src/blocks/index.js';

/** A process that copies a disk, to be killed by the test: sockets of source, replica and manifest, and the disk's size. */
const [source = '', replica = '', manifest = '', size = '0'] = process.argv.slice(2);
const [reader, writer, store] = await Promise.all([
  openNbd({ socketPath: source }),
  openNbd({ socketPath: replica }),
  openNbd({ socketPath: manifest }),
]);
process.send?.('ready');
await copyDisk({ source: reader, replica: writer, manifest: new Manifest(store, Number(size)), mode: 'unknown' });
await Promise.all([reader.close(), writer.close(), store.close()]);
process.disconnect?.();
