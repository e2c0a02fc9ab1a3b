import { randomBytes } from 'node:crypto';
import { VmferryError } from '../../errors.js';
import type { Claim, OwnedResource, SourceTrace } from '../platform.js';
import { CLAIM_URI, claimFolder, markedClaim, parseClaim } from './claim.js';
import type { LibvirtConnection } from './connect.js';
import { LEASE_SECONDS } from './point.js';
import { pointPlan, pointsFolder } from './point-files.js';
import { parseXml } from '../xml.js';

/** Everything that migrations have at a libvirt site as their source, read with a few commands however many VMs there are. */

/** How many VMs one call of virsh reads. */
const CHUNK = 50;
const OURS = /^vmferry-([0-9a-f]{12})-\d/;

const FILES = `
mark=$1 claims=$2 points=$3 scratch=$4
for file in "$claims"/*.json; do
  [ ! -f "$file" ] || { echo "$mark"; echo "claim $(basename "$file" .json)"; cat -- "$file"; }
done
for dir in "$points"/vmferry-*/ "$scratch"/vmferry-*/; do
  [ -d "$dir" ] || continue
  name=$(basename "$dir")
  age=-
  [ ! -e "$points/$name/lease" ] || age=$(($(date +%s) - $(stat -c %Y "$points/$name/lease")))
  echo "$mark"; echo "point $name $age $(du -sB1 -- "$scratch/$name" 2>/dev/null | cut -f1)"
  cat -- "$points/$name/plan.json" 2>/dev/null
done
exit 0`;

interface Vm {
  name: string;
  uuid: string;
}

export async function listTraces(at: LibvirtConnection, signal?: AbortSignal): Promise<SourceTrace[]> {
  const vms = [...(await at.virsh.names(signal))].map(([name, uuid]): Vm => ({ name, uuid }));
  const known = new Map(vms.map((vm) => [vm.uuid, vm]));
  const traces = new Map<string, SourceTrace>();
  const add = (trace: SourceTrace) => {
    const key = `${trace.kind} ${trace.name} ${trace.migrationId} ${trace.vm?.uuid ?? ''}`;
    if (!traces.has(key)) traces.set(key, trace);
  };
  for (const trace of await fromFiles(at, known, signal)) add(trace);
  for (let first = 0; first < vms.length; first += CHUNK) {
    for (const trace of await fromVms(at, vms.slice(first, first + CHUNK), signal)) add(trace);
  }
  return [...traces.values()];
}

function traceOf(kind: string, name: string, migrationId: string, rest: Partial<SourceTrace>): SourceTrace {
  const plain: Omit<OwnedResource, 'kind' | 'name' | 'migrationId'> = { owner: null, sizeBytes: null, inUse: null };
  return { kind: `libvirt-${kind}`, name, migrationId, ...plain, vm: null, claim: null, ...rest };
}

function claimTrace(claim: Claim, vm: Vm | null, uuid: string): SourceTrace {
  const { migrationId, workflowId, cluster, namespace } = claim;
  const owner = migrationId === '?' ? null : { migrationId, workflowId, cluster, namespace };
  return traceOf('claim', vm?.name ?? uuid, migrationId, { owner, vm, claim });
}

/** Claims and points that have files. */
async function fromFiles(
  at: LibvirtConnection,
  known: ReadonlyMap<string, Vm>,
  signal?: AbortSignal,
): Promise<SourceTrace[]> {
  const mark = newMark();
  const args = ['-c', FILES, 'sh', mark, claimFolder(at), pointsFolder(at), at.config.scratchDir];
  const { stdout } = await at.host.run('sh', args, { signal });
  return stdout
    .split(`${mark}\n`)
    .slice(1)
    .flatMap((text): SourceTrace[] => {
      const end = text.indexOf('\n');
      const [what, name = '', age, size] = text.slice(0, end).split(' ');
      const rest = text.slice(end + 1);
      if (what === 'claim') {
        const claim = parseClaim(rest);
        return claim ? [claimTrace(claim, known.get(name) ?? null, name)] : [];
      }
      const migrationId = OURS.exec(name)?.[1];
      if (migrationId === undefined) return [];
      const fresh = age !== '-' && Number(age) <= LEASE_SECONDS;
      const inUse = fresh ? 'a worker is reading it' : null;
      const sizeBytes = size ? Number(size) : null;
      return [traceOf('point', name, migrationId, { vm: known.get(uuidOf(rest)) ?? null, inUse, sizeBytes })];
    });
}

function uuidOf(plan: string): string {
  try {
    return pointPlan.parse(JSON.parse(plan)).uuid;
  } catch {
    return '';
  }
}

/** Claims and checkpoints that VMs carry themselves. */
async function fromVms(at: LibvirtConnection, vms: readonly Vm[], signal?: AbortSignal): Promise<SourceTrace[]> {
  const mark = newMark();
  // Only UUIDs as virsh printed them stand in this command string.
  const commands = vms.map(
    ({ uuid }) => `dumpxml --domain ${uuid}; echo '${mark}'; checkpoint-list --name --domain ${uuid}; echo '${mark}'`,
  );
  const script = 'virsh --quiet --connect "$1" "$2"; exit 0';
  const { stdout, stderr } = await at.host.run('sh', ['-c', script, 'sh', at.virsh.uri, commands.join('; ')], {
    signal,
  });
  const gone = /domain not found|failed to get domain|not supported/i;
  const trouble = stderr.split('\n').filter((line) => line.startsWith('error: ') && !gone.test(line));
  if (trouble.length > 0) {
    throw new VmferryError('ToolFailed', `cannot look at the VMs on ${at.host.name}: ${trouble.join('; ')}`, {
      platform: 'libvirt',
    });
  }
  const parts = stdout.split(new RegExp(`${mark}\\n?`));
  return vms.flatMap((vm, index) => {
    const definition = parts[2 * index]?.trim();
    if (!definition) return [];
    const element = parseXml(definition, `the definition of ${vm.name}`)
      .at('metadata')
      ?.all()
      .find((each) => [...each.attributes.values()].includes(CLAIM_URI));
    const claim = element ? markedClaim(element.attributes) : null;
    const names = (parts[2 * index + 1] ?? '').split('\n').map((line) => line.trim());
    return [
      ...(claim ? [claimTrace(claim, vm, vm.uuid)] : []),
      ...names.flatMap((name) => {
        const migrationId = OURS.exec(name)?.[1];
        return migrationId === undefined ? [] : [traceOf('checkpoint', name, migrationId, { vm })];
      }),
    ];
  });
}

function newMark(): string {
  return `=== ${randomBytes(12).toString('hex')}`;
}
