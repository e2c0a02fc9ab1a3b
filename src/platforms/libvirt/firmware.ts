import { z } from 'zod';
import { VmferryError } from '../../errors.js';
import type { Host } from '../../exec/host.js';

/** UEFI firmware at a site, from QEMU's descriptors (docs/interop/firmware.json in QEMU) and Debian's older files. */

export interface Firmware {
  code: string;
  /** Variables as they are on a new machine. */
  template: string;
  templateBytes: number;
  secureBoot: boolean;
}

const descriptor = z.object({
  'interface-types': z.array(z.string()),
  mapping: z.object({
    device: z.literal('flash'),
    executable: z.object({ filename: z.string().startsWith('/'), format: z.literal('raw') }),
    'nvram-template': z.object({ filename: z.string().startsWith('/'), format: z.literal('raw') }),
  }),
  targets: z.array(z.object({ architecture: z.string() })),
  features: z.array(z.string()),
});

/** The 2 MiB variant, which Debian describes nowhere any more though machines of its time still use it. */
const OLDER = [{ code: '/usr/share/OVMF/OVMF_CODE.fd', template: '/usr/share/OVMF/OVMF_VARS.fd', secureBoot: false }];

const READ = `
for f in /etc/qemu/firmware/*.json /usr/share/qemu/firmware/*.json; do
  [ ! -e "$f" ] || { tr -d '\\n' < "$f"; echo; }
done`;

export async function firmwares(host: Host, signal?: AbortSignal): Promise<Firmware[]> {
  const { stdout } = await host.run('sh', ['-c', READ], { signal });
  const described = stdout.split('\n').flatMap((line) => {
    const found = descriptor.safeParse(jsonOf(line));
    if (!found.success || !found.data['interface-types'].includes('uefi')) return [];
    if (!found.data.targets.some((target) => target.architecture === 'x86_64')) return [];
    const { mapping, features } = found.data;
    if (features.includes('amd-sev-es') && features.length === 1) return [];
    const secureBoot = features.includes('secure-boot') && features.includes('requires-smm');
    return [{ code: mapping.executable.filename, template: mapping['nvram-template'].filename, secureBoot }];
  });
  const all = [...described, ...OLDER];
  const paths = [...new Set(all.flatMap((each) => [each.code, each.template]))];
  const stat = await host.run('stat', ['-L', '-c', '%s %n', '--', ...paths], { signal, okExitCodes: [0, 1] });
  const sizes = new Map(
    stat.stdout.split('\n').map((line) => [line.slice(line.indexOf(' ') + 1), Number(line.split(' ')[0])] as const),
  );
  return all.flatMap((each) => {
    const templateBytes = sizes.get(each.template);
    return templateBytes === undefined || !sizes.has(each.code) ? [] : [{ ...each, templateBytes }];
  });
}

/**
 * The firmware that fits variables of `nvramBytes` (null: any), with secure boot or without.
 * @throws VmferryError `NotSupported`, saying what is missing.
 */
export function chooseFirmware(all: readonly Firmware[], secureBoot: boolean, nvramBytes: number | null): Firmware {
  const fit = all.filter((each) => each.secureBoot === secureBoot);
  const found = fit.find((each) => nvramBytes === null || each.templateBytes === nvramBytes);
  if (found) return found;
  const kind = `UEFI firmware ${secureBoot ? 'with' : 'without'} secure boot`;
  const why = fit.length > 0 ? ` for variables of ${nvramBytes} bytes` : '';
  throw new VmferryError('NotSupported', `cannot find ${kind}${why} at the target`, {
    platform: 'libvirt',
    remedy: 'Install the package ovmf there; variables fit only the build of the firmware that they come from.',
  });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
