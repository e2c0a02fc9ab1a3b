import type { FilesSiteConfig } from '../config.js';
import { LocalHost } from '../exec/local.js';
import { formatBytes, formatCount } from '../model/format.js';
import { connectFiles, type FilesConnection } from '../platforms/files/connect.js';
import { inventory } from '../platforms/files/describe.js';
import { askedStorage } from '../platforms/files/target/facts.js';
import { createFilesVmSite } from '../platforms/files/site.js';
import { filesTarget } from '../platforms/files/target/tools.js';
import { checked, good, type Check } from './doctor.js';

/** Less free room than this is worth a word. */
const LITTLE_BYTES = 5 * 2 ** 30;
/** Programs that read images, and the Debian packages that they come with. */
const TOOLS = [
  ['qemu-nbd', 'qemu-utils'],
  ['qemu-img', 'qemu-utils'],
  ['setpriv', 'util-linux'],
] as const;

const TOOL_TIMEOUT_MS = 15_000;

/** What a site of files needs, and what lies there. */
export async function filesChecks(name: string, site: FilesSiteConfig, signal: AbortSignal): Promise<Check[]> {
  const checks: Check[] = [];
  const host = new LocalHost();
  for (const [tool, debian] of TOOLS) {
    const before = checks.length;
    const version = await checked(checks, name, tool, async () => {
      const { stdout } = await host.run(tool, ['--version'], { timeoutMs: TOOL_TIMEOUT_MS, signal });
      return /\d+\.\d+[.\d]*/.exec(stdout)?.[0] ?? stdout.trim();
    });
    if (version !== null) checks.push(good(name, tool, version));
    const failure = checks[before];
    if (failure?.result === 'bad') failure.remedy ??= `Install it: apt-get install ${debian}`;
  }
  const at = connectFiles(name, site);
  const vms = await checked(checks, name, 'files', () => inventory(at, signal));
  if (vms === null) return checks;
  checks.push(good(name, 'files', `${formatCount(vms.length, 'machine')} at ${at.address}`));
  for (const vm of vms.filter(({ state }) => state !== 'off')) {
    const remedy = `\`vmferry describe ${name} ${vm.name}\` says why.`;
    checks.push({ where: name, what: 'files', result: 'note', found: `${vm.name} cannot be read`, remedy });
  }
  if (site.path !== undefined && createFilesVmSite(at).abilities.target) checks.push(await roomCheck(at, signal));
  return checks;
}

/** Whether machines can come here; a directory that is only read from needs no more than that it is said. */
async function roomCheck(at: FilesConnection, signal: AbortSignal): Promise<Check> {
  const room = await askedStorage(filesTarget(at), null, signal);
  const note = (found: string, remedy: string): Check => ({
    where: at.site,
    what: 'storage',
    result: 'note',
    found,
    remedy,
  });
  if ('problem' in room) {
    return note(
      `nothing can come here: ${room.problem}`,
      'Let this user write there, if machines are to be written out.',
    );
  }
  const found = `${room.path}: writable, ${formatBytes(room.freeBytes)} free`;
  if (room.freeBytes >= LITTLE_BYTES) return good(at.site, 'storage', found);
  return note(found, 'Make room before a machine comes here.');
}
