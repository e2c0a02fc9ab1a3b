import { copyDisk, interceptStore, Manifest, openNbd } from '../../src/blocks/index.js';

/** A process that copies a disk, to be killed: tells its parent after each write how much it has written. */
const [source = '', replica = '', manifest = '', size = '0'] = process.argv.slice(2);
const [reader, writer, store] = await Promise.all([
  openNbd({ socketPath: source }),
  openNbd({ socketPath: replica }),
  openNbd({ socketPath: manifest }),
]);
let written = 0;
await copyDisk({
  source: reader,
  replica: interceptStore(writer, async ({ name, lengthBytes }, run) => {
    await run();
    if (name !== 'write') return;
    written += lengthBytes;
    process.send?.(written);
  }),
  manifest: new Manifest(store, Number(size)),
  mode: 'unknown',
});
await Promise.all([reader.close(), writer.close(), store.close()]);
process.disconnect?.();
