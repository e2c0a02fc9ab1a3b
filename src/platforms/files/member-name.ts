/** More than any name in a package needs, in UTF-8. */
const MAX_NAME_BYTES = 1024;

/** Control characters, what ends a line anywhere (U+2028, U+2029), and halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;

/** QEMU takes whatever stands before a colon in the first component for a protocol, such as `json:` or `nbd:`. */
const PREFIXED = /^[^/]*:/;

/** `./disk.vmdk` is `disk.vmdk`. */
export function withoutDot(name: string): string {
  return name.replace(/^(?:\.\/+)+/, '');
}

/**
 * Whether a name from outside is a plain relative path of normal components, which stays in its folder however it is
 * joined, and which no tool takes for an option, a drive or an address.
 */
export function safeName(name: string): boolean {
  if (name.startsWith('-') || name.includes('\\') || UNPRINTABLE.test(name) || PREFIXED.test(name)) return false;
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return false;
  return name.split('/').every((component) => component !== '' && component !== '.' && component !== '..');
}
