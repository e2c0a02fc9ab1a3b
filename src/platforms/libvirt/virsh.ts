import { VmferryError, type ErrorCode } from '../../errors.js';
import { stderrOf, type Host, type RunOptions, type RunResult } from '../../exec/host.js';

/** The one place that runs virsh. Names are given as `--domain NAME`, so that none is taken for an option. */

type Options = Pick<RunOptions, 'input' | 'timeoutMs' | 'signal' | 'okExitCodes' | 'maxOutputBytes'>;

/** virsh's messages (untranslated, see exec/run.ts) and what they mean. The first that fits counts. */
const MEANINGS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [
    /cannot access storage file/i,
    'Denied',
    "Let QEMU's user read the file and enter every folder above it, and see whether the storage is mounted.",
  ],
  [
    /permission denied|authentication (failed|unavailable)|access denied|polkit/i,
    'Denied',
    'Let the user that vmferry works as into the group "libvirt" at that site, or use root.',
  ],
  [
    /failed to connect to the hypervisor|cannot recv data|end of file while reading|client socket is closed/i,
    'Unreachable',
    'See whether libvirtd (or virtqemud) runs at that site: `virsh list` there tells.',
  ],
  [/no space left on device/i, 'NoSpace', 'Make room at the site.'],
  [/cannot acquire state change lock|timed out during operation/i, 'Timeout', 'See what else works on this VM.'],
];

const MISSING = /failed to get domain|domain not found|no domain with matching/i;

export class Virsh {
  constructor(
    readonly host: Host,
    /** As `virsh -c` takes it at the host; for scripts that run there. */
    readonly uri: string,
  ) {}

  /**
   * Runs one virsh command and gives its standard output.
   * @param input given to the command's `/dev/stdin`.
   * @throws VmferryError `NotFound` (naming the VMs that exist), `Unreachable`, `Denied`, `NoSpace`, `Timeout`,
   *   `ToolFailed`.
   */
  async run(args: readonly string[], options: Options = {}): Promise<string> {
    return (await this.result(args, options)).stdout;
  }

  async result(args: readonly string[], options: Options = {}): Promise<RunResult> {
    const command = ['virsh', '--quiet', '--connect', this.uri, ...args];
    try {
      if (options.input === undefined) return await this.host.run(command[0]!, command.slice(1), options);
      // Standard input may be a socket, which cannot be opened as /dev/stdin; a pipe can.
      return await this.host.run('sh', ['-c', 'cat | "$@"', 'sh', ...command], options);
    } catch (error) {
      throw await this.explained(error, args, options.signal);
    }
  }

  /** Like `run`, or null where `absent` fits what virsh said. */
  async runOr(absent: RegExp, args: readonly string[], options: Options = {}): Promise<string | null> {
    try {
      return await this.run(args, options);
    } catch (error) {
      if (absent.test(stderrOf(error))) return null;
      throw error;
    }
  }

  /** All VMs of the site: UUID by name. */
  async names(signal?: AbortSignal): Promise<Map<string, string>> {
    const lines = (await this.run(['list', '--all', '--uuid', '--name'], { signal })).split('\n');
    const found = new Map<string, string>();
    for (const line of lines) {
      const match = /^\s*([0-9a-f-]{36})\s+(.*\S)\s*$/.exec(line);
      if (match) found.set(match[2]!, match[1]!);
    }
    return found;
  }

  /**
   * The VM's UUID. virsh takes a number for an id and anything like a UUID for one, so a VM's name is looked up here and
   * the UUID used from then on. `null` where there is none.
   */
  async findUuid(vm: string, signal?: AbortSignal): Promise<string | null> {
    return (await this.names(signal)).get(vm) ?? null;
  }

  /** @throws VmferryError `NotFound`, naming the VMs that exist. */
  async uuid(vm: string, signal?: AbortSignal): Promise<string> {
    const names = await this.names(signal);
    const uuid = names.get(vm);
    if (uuid) return uuid;
    throw new VmferryError('NotFound', `cannot find the VM "${vm}" on ${this.host.name}`, {
      platform: 'libvirt',
      remedy: `VMs there: ${[...names.keys()].sort().join(', ') || 'none'}.`,
    });
  }

  private async explained(error: unknown, args: readonly string[], signal?: AbortSignal): Promise<unknown> {
    if (!(error instanceof VmferryError) || error.code !== 'ToolFailed') return error;
    const said = stderrOf(error);
    const what = `cannot run virsh ${args[0]} on ${this.host.name}: ${reason(said) || error.message}`;
    const parts = { platform: 'libvirt', cause: error, details: error.details };
    if (MISSING.test(said) && args[0] !== 'list') {
      const names = await this.names(signal).catch(() => new Map<string, string>());
      const remedy = `VMs there: ${[...names.keys()].sort().join(', ') || 'none'}.`;
      return new VmferryError('NotFound', what, { ...parts, remedy });
    }
    for (const [pattern, code, remedy] of MEANINGS) {
      if (pattern.test(said)) return new VmferryError(code, what, { ...parts, remedy });
    }
    return new VmferryError('ToolFailed', what, parts);
  }
}

function reason(said: string): string {
  const lines = said.split('\n').filter((line) => line.startsWith('error: '));
  return lines.map((line) => line.slice('error: '.length)).join('; ');
}
