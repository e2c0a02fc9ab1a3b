import { randomBytes } from 'node:crypto';
import type { Host } from '../exec/host.js';

/**
 * Who has images open for writing: a process of the host by its open files (proc(5), fd and fdinfo), one of another host by
 * the locks that QEMU leaves on what both of them mount. An image of the format raw shows its locks to no reader.
 */
const SCRIPT = `
mark=$1; shift
while [ $# -gt 0 ]; do
  format=$1 path=$2 writer=; shift 2
  for fd in $(find -L /proc/[0-9]*/fd -samefile "$path" 2>/dev/null); do
    dir=\${fd%/fd/*}
    case $(sed -n 's/^flags:.*\\(.\\)$/\\1/p' "$dir/fdinfo/\${fd##*/}" 2>/dev/null) in
      [12]) writer="$(tr -d '\\n' <"$dir/comm") (process \${dir#/proc/})"; break ;;
    esac
  done
  if [ -z "$writer" ]; then
    case $(LC_ALL=C qemu-img info -f "$format" -- "$path" 2>&1 >/dev/null) in
      *'Failed to get'*lock*) writer='a QEMU of another host' ;;
    esac
  fi
  echo "$mark$writer"
done`;

/** For each image who writes to it, in words; null where nobody does. */
export async function openForWriting(
  host: Host,
  images: readonly { path: string; format: string }[],
  signal?: AbortSignal,
): Promise<(string | null)[]> {
  if (images.length === 0) return [];
  const mark = `${randomBytes(12).toString('hex')} `;
  const args = images.flatMap(({ path, format }) => [format, path]);
  const { stdout } = await host.run('sh', ['-c', SCRIPT, 'sh', mark, ...args], { signal });
  const said = stdout.split(mark).slice(1);
  return images.map((_, index) => said[index]?.trim() || null);
}
