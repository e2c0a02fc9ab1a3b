import { crc32, deflateSync } from 'node:zlib';
import { VmferryError } from '../../errors.js';

/** A PPM picture (netpbm's ppm(5), P6 with 8 bits a sample), as older libvirt takes them, as PNG (RFC 2083). */
export function pngFromPpm(ppm: Buffer): Buffer {
  const header = /^P6\s(?:#[^\n]*\n)*(\d+)\s+(\d+)\s+255\s/.exec(ppm.subarray(0, 256).toString('latin1'));
  if (!header) throw new VmferryError('HostileInput', 'cannot read the picture: it is not an 8-bit PPM');
  const [width, height] = [Number(header[1]), Number(header[2])];
  const rowBytes = width * 3;
  const pixels = ppm.subarray(header[0].length, header[0].length + rowBytes * height);
  if (width < 1 || height < 1 || pixels.length !== rowBytes * height) {
    throw new VmferryError('HostileInput', `cannot read the picture: ${width}x${height} pixels are not all there`);
  }
  // Every row begins with its filter type: 0, none.
  const rows = Buffer.alloc((rowBytes + 1) * height);
  for (let y = 0; y < height; y++) pixels.copy(rows, y * (rowBytes + 1) + 1, y * rowBytes, (y + 1) * rowBytes);
  const start = Buffer.alloc(13);
  start.writeUInt32BE(width, 0);
  start.writeUInt32BE(height, 4);
  start.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', start),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
