import { z } from 'zod';
import { VmferryError } from '../../errors.js';
import type { Host } from '../../exec/host.js';

/** What `qemu-img info` tells of an image (QEMU's qapi/block-core.json, ImageInfo). */

const output = z.object({
  format: z.string(),
  'virtual-size': z.number(),
  'actual-size': z.number().optional(),
  'cluster-size': z.number().optional(),
  'backing-filename': z.string().optional(),
  'full-backing-filename': z.string().optional(),
  encrypted: z.boolean().optional(),
  snapshots: z.array(z.object({ name: z.string() })).optional(),
  'format-specific': z
    .object({
      data: z
        .object({
          compat: z.string().optional(),
          'data-file': z.string().optional(),
          'data-file-raw': z.boolean().optional(),
          bitmaps: z
            .array(z.object({ name: z.string(), flags: z.array(z.string()), granularity: z.number() }))
            .optional(),
        })
        .optional(),
    })
    .optional(),
});

export interface ImageBitmap {
  name: string;
  /** Left open by a QEMU that runs, or that was killed: then it cannot be used. */
  inUse: boolean;
  granularityBytes: number;
}

export interface ImageInfo {
  format: string;
  sizeBytes: number;
  allocatedBytes: number | null;
  backingFile: string | null;
  encrypted: boolean;
  /** Internal snapshots. */
  snapshots: string[];
  /** Whether the format can keep dirty bitmaps: qcow2 from version 3 on, its data in the same file. */
  tracksChanges: boolean;
  bitmaps: ImageBitmap[];
}

/**
 * Reads an image's header; never its backing files, and never with a format that was guessed. Works on images in use.
 * @throws VmferryError `ToolFailed`, `HostileInput`.
 */
export async function imageInfo(host: Host, path: string, format: string, signal?: AbortSignal): Promise<ImageInfo> {
  const { stdout } = await host.run('qemu-img', ['info', '-U', '-f', format, '--output=json', '--', path], { signal });
  let data: z.infer<typeof output>;
  try {
    data = output.parse(JSON.parse(stdout));
  } catch (cause) {
    throw new VmferryError('HostileInput', `cannot read what qemu-img says about ${path}`, { cause });
  }
  const own = data['format-specific']?.data;
  return {
    format: data.format,
    sizeBytes: data['virtual-size'],
    allocatedBytes: data['actual-size'] ?? null,
    backingFile: data['full-backing-filename'] ?? data['backing-filename'] ?? null,
    encrypted: data.encrypted ?? false,
    snapshots: (data.snapshots ?? []).map((each) => each.name),
    tracksChanges: data.format === 'qcow2' && own?.compat !== '0.10' && own?.['data-file'] === undefined,
    bitmaps: (own?.bitmaps ?? []).map((each) => ({
      name: each.name,
      inUse: each.flags.includes('in-use'),
      granularityBytes: each.granularity,
    })),
  };
}
