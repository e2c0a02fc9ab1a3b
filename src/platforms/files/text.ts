/**
 * The text of a descriptor: UTF-16 where its first bytes say so (as some Windows tools write), else in the encoding that it
 * names (`.encoding` of a VMX, `encoding` of a VMDK, the declaration of XML) or UTF-8; Windows-1252 where it is not valid
 * in that (VMX files of old Windows hosts).
 */
export function textOf(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  return decoded(bytes, declared(bytes)) ?? decoded(bytes, 'utf-8') ?? new TextDecoder('windows-1252').decode(bytes);
}

const LOOKED_AT_BYTES = 64 * 1024;
const DECLARED = /^[ \t]*(?:\.?encoding[ \t]*=[ \t]*"?|<\?xml [^<>\n]{0,100}encoding=["'])([\w.:-]{1,40})/im;

function declared(bytes: Buffer): string {
  const name = DECLARED.exec(bytes.toString('latin1', 0, LOOKED_AT_BYTES))?.[1] ?? '';
  // It could not have been read as it was, if it were so.
  return /^(utf|ucs)-?(16|32)/i.test(name) ? '' : name;
}

/** Null where it is not valid, or the encoding is none that is known here (WHATWG, "Encoding"). */
function decoded(bytes: Buffer, encoding: string): string | null {
  if (encoding === '') return null;
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
