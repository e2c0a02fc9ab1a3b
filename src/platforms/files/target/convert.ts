import { VmferryError } from '../../../errors.js';
import { streamLocal } from '../../../exec/stream.js';
import { stderrOf } from '../../../exec/host.js';
import type { DiskFormat, PackagePlan } from '../../../model/package.js';
import type { Image } from '../../replica/state.js';

/** Images of a package, by qemu-img (qemu-img(1), "convert"). */

/** How each format is written, where its default is not what others read best. */
function optionsOf({ kind, diskFormat }: PackagePlan): string[] {
  const options: Partial<Record<DiskFormat, string>> = {
    // In a package for other makers' tools, the form that these write themselves.
    vmdk: kind === 'ova' || kind === 'ovf' ? 'subformat=streamOptimized' : 'subformat=monolithicSparse',
    // Else its size is rounded to a geometry of cylinders, heads and sectors.
    vpc: 'subformat=dynamic,force_size=on',
    vhdx: 'subformat=dynamic',
  };
  const given = options[diskFormat];
  return given === undefined ? [] : ['-o', given];
}

/**
 * Writes a copy of an image in the package's format. `onProgress` is told parts of 1. The program ends with this process.
 * @throws VmferryError `NoSpace`, `Cancelled`, `ToolFailed`.
 */
export async function convertImage(
  from: Image,
  to: string,
  plan: PackagePlan,
  onProgress: (part: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const { diskFormat } = plan;
  const args = ['convert', '-p', '-t', 'writeback', '-f', from.format, '-O', diskFormat, ...optionsOf(plan)];
  const said = async (chunk: Buffer) => {
    // "    (12.50/100%)", each over the one before.
    const parts = [...chunk.toString('latin1').matchAll(/\((\d{1,3}(?:\.\d+)?)\/100%\)/g)];
    const last = parts.at(-1)?.[1];
    if (last !== undefined) onProgress(Number(last) / 100);
    return Promise.resolve();
  };
  try {
    const command = ['--pdeathsig', 'KILL', '--', 'qemu-img', ...args, '--', from.path, to];
    await streamLocal('setpriv', command, nothing(), said, signal ? { signal } : {});
  } catch (error) {
    throw explained(error, to);
  }
}

async function* nothing(): AsyncGenerator<Buffer> {}

function explained(error: unknown, path: string): unknown {
  if (!(error instanceof VmferryError) || error.code !== 'ToolFailed') return error;
  const said = stderrOf(error).trim();
  if (!/no space left on device|disk quota exceeded/i.test(said)) return error;
  return noSpace(path, error);
}

export function noSpace(path: string, cause: unknown): VmferryError {
  return new VmferryError('NoSpace', `cannot write ${path}: no space is left`, {
    platform: 'files',
    remedy: 'Make room in that file system, then resume. Nothing that was copied is lost.',
    cause,
  });
}
