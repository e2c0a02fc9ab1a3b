import { warning, type Finding } from '../../model/finding.js';
import type { DiskBus } from '../../model/vm.js';
import { compressionOfName } from './compression.js';
import type { ForeignVm, ImageFormat } from './foreign.js';
import { sniffFormat } from './image.js';
import type { Folder } from './member.js';

/** By the end of a file's name; null where the name leaves it open. */
const FORMATS: Record<string, ImageFormat | null> = {
  qcow2: 'qcow2',
  qcow: 'qcow',
  raw: 'raw',
  img: null,
  vmdk: 'vmdk',
  vhd: 'vpc',
  vpc: 'vpc',
  vhdx: 'vhdx',
  vdi: 'vdi',
};

/** What nothing says of a machine that is only an image: enough for most guests to start. */
const CPUS = 1;
const MEMORY_BYTES = 2 * 2 ** 30;

/** The format that a file's name promises; null where it leaves it open, undefined where it is no image's name. */
export function imageFormatOf(path: string): ImageFormat | null | undefined {
  const plain = compressionOfName(path) ? path.replace(/\.[^.]*$/, '') : path;
  const end = /\.([a-z0-9]+)$/i.exec(plain)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(FORMATS, end) ? FORMATS[end] : undefined;
}

/** A machine of which there is nothing but one image. */
export async function bareMachine(files: Folder, name: string, signal?: AbortSignal): Promise<ForeignVm> {
  const compression = compressionOfName(name);
  let format: ImageFormat | null = imageFormatOf(name) ?? null;
  const findings: Finding[] = [undescribed(name)];
  if (format === null && compression === null) {
    const member = await files.open(name, signal);
    const seen = (member ? await sniffFormat(member).finally(() => member.close()) : null) ?? 'raw';
    format = seen;
    findings.push(guessed(name, seen));
  }
  const modern = format === 'qcow2' || format === 'raw' || format === 'qcow';
  const bus: DiskBus = modern ? 'virtio' : 'sata';
  const id = modern ? 'vda' : 'sda';
  return {
    vm: {
      name: name.replace(/\.[^/]*$/, ''),
      uuid: '',
      firmware: 'bios',
      secureBoot: false,
      tpm: null,
      memoryBytes: MEMORY_BYTES,
      cpu: { count: CPUS, sockets: CPUS, coresPerSocket: 1, threadsPerCore: 1, model: null },
      disks: [
        {
          id,
          bus,
          order: 0,
          sizeBytes: 0,
          format: format ?? 'raw',
          path: name,
          serial: null,
          bootOrder: null,
          allocatedBytes: null,
          changeTracking: false,
          discard: false,
          controllerModel: null,
        },
      ],
      removable: [],
      nics: [{ mac: '', network: 'default', networkKind: 'network', model: modern ? 'virtio' : 'e1000e' }],
      display: null,
      sound: null,
      guestOs: null,
      machine: null,
      serialPorts: 1,
      guestAgentChannel: true,
      clock: 'utc',
      rng: false,
      nvramPath: null,
      findings,
    },
    disks: [{ id, reference: name, format, compression, fileBytes: null, chunkBytes: null }],
  };
}

function undescribed(name: string): Finding {
  return {
    id: 'vm.undescribed',
    ...warning(
      `${name} is only a disk: nothing says what machine it was of. Assumed are ${CPUS} CPU, 2 GiB of memory, BIOS, and one network card on "default".`,
      'Give cpus and memory in the request, map the network "default", and use an .ovf, .vmx or .xml where there is one.',
    ),
  };
}

function guessed(name: string, format: ImageFormat): Finding {
  return {
    id: 'disk.format-guessed',
    ...warning(
      `The name of ${name} does not say its format; by its first bytes it is ${format}.`,
      'Name it by its format (.qcow2, .raw, …) if that is not so.',
    ),
  };
}
