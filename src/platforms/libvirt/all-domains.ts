import { randomBytes } from 'node:crypto';
import { VmferryError } from '../../errors.js';
import type { LibvirtConnection } from './connect.js';
import { parseXml, type XmlElement } from '../xml.js';

export interface SeenDomain {
  name: string;
  uuid: string;
  /** As it runs, else as it is saved. */
  domain: XmlElement;
}

/** How many VMs one call of virsh reads: their definitions must fit into what a command may print. */
const CHUNK = 200;
const GONE = /domain not found|failed to get domain/i;

/**
 * Every VM of the site, with two commands for two hundred of them. Those that go meanwhile are left out; any other
 * trouble is an error, since a VM that is not seen would count as one that is not there.
 */
export async function allDomains(at: LibvirtConnection, signal?: AbortSignal): Promise<SeenDomain[]> {
  const vms = [...(await at.virsh.names(signal))];
  const found: SeenDomain[] = [];
  for (let first = 0; first < vms.length; first += CHUNK) {
    found.push(...(await readChunk(at, vms.slice(first, first + CHUNK), signal)));
  }
  return found;
}

async function readChunk(
  at: LibvirtConnection,
  vms: readonly (readonly [name: string, uuid: string])[],
  signal?: AbortSignal,
): Promise<SeenDomain[]> {
  const mark = `=== ${randomBytes(12).toString('hex')}`;
  // Only UUIDs as virsh printed them stand in this command string. virsh goes on with the next after one that failed.
  const commands = vms.map(([, uuid]) => `dumpxml --domain ${uuid}; echo '${mark}'`).join('; ');
  const { stdout, stderr } = await at.virsh.result([commands], {
    signal,
    okExitCodes: [0, 1],
    timeoutMs: 120_000,
    maxOutputBytes: 256 * 1024 * 1024,
  });
  const trouble = stderr.split('\n').filter((line) => line.startsWith('error: ') && !GONE.test(line));
  // Told to be quiet, virsh ends no line that it echoes.
  const texts = stdout.split(new RegExp(`${mark}\\n?`));
  if (trouble.length > 0 || texts.length !== vms.length + 1) {
    const why = trouble.join('; ') || 'virsh did not come to the end';
    throw new VmferryError('ToolFailed', `cannot look at the VMs on ${at.host.name}: ${why}`, { platform: 'libvirt' });
  }
  return vms.flatMap(([name, uuid], index): SeenDomain[] => {
    const text = texts[index]?.trim();
    return text ? [{ name, uuid, domain: parseXml(text, `the definition of ${name}`) }] : [];
  });
}
