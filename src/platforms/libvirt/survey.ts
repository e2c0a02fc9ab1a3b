import { randomBytes } from 'node:crypto';
import { VmferryError } from '../../errors.js';
import type { LibvirtConnection } from './connect.js';
import { parseXml, type XmlElement } from '../xml.js';
import { pointOfSocket, pointPlan, pointsFolder, type PointPlan } from './point-files.js';

/** All that opening a point has to know of a VM, read with one command, so that a pass of an idle disk costs little. */

export interface Survey {
  uuid: string;
  domain: XmlElement;
  /** As in `RunState`; null when it is off. */
  instance: string | null;
  paused: boolean;
  /** `user:group` in numbers that QEMU runs as. */
  qemuOwner: string;
  /** The backup job that runs, and which of vmferry's points it is. */
  job: { point: string | null } | null;
  checkpoints: string[];
  /** Points with a folder at the site; a plan that cannot be read is null. */
  points: Map<string, PointPlan | null>;
  scratchFreeBytes: number;
}

const SCRIPT = `
mark=$1 uri=$2 uuid=$3 points=$4 scratch=$5
virsh --quiet --connect "$uri" "
  dumpxml --domain $uuid; echo '$mark';
  backup-dumpxml --domain $uuid; echo '$mark';
  checkpoint-list --name --domain $uuid; echo '$mark';
  domstate --domain $uuid"
for file in $(grep -lzsxF -e "$uuid" /proc/[0-9]*/cmdline); do
  dir=\${file%/cmdline}
  case $(cat "$dir/comm" 2>/dev/null) in qemu*|kvm*) ;; *) continue ;; esac
  sed 's/.*) //' "$dir/stat" | cut -d' ' -f20
  sed -n 's/^[UG]id:[^0-9]*\\([0-9]*\\).*/\\1/p' "$dir/status"
  break
done
echo "$mark"
stat -f -c '%a %S' -- "$scratch" || exit 1
for plan in "$points"/vmferry-*/; do
  [ -d "$plan" ] || continue
  echo "$mark"
  basename "$plan"
  cat "$plan/plan.json" 2>/dev/null
done
exit 0`;

/** What virsh may fail with: there is no job. It goes on with its other commands all the same. */
const NO_JOB = /no domain backup job|domain is not running/i;

/** @param known the VM's UUID where it was just looked up. */
export async function survey(at: LibvirtConnection, vm: string, signal?: AbortSignal, known?: string): Promise<Survey> {
  const uuid = known ?? (await at.virsh.uuid(vm, signal));
  const mark = `=== ${randomBytes(12).toString('hex')}`;
  const args = [mark, at.virsh.uri, uuid, pointsFolder(at), at.config.scratchDir];
  const { stdout, stderr } = await at.host.run('sh', ['-c', SCRIPT, 'sh', ...args], { signal });
  const trouble = stderr.split('\n').filter((line) => line.startsWith('error: ') && !NO_JOB.test(line));
  if (trouble.length > 0) {
    throw new VmferryError('ToolFailed', `cannot look at ${vm} on ${at.host.name}: ${trouble.join('; ')}`, {
      platform: 'libvirt',
    });
  }
  const [definition, job, checkpoints, run, space, ...plans] = stdout.split(new RegExp(`${mark}\\n?`));
  const domain = parseXml(definition ?? '', `the definition of ${vm}`);
  const [state, started, user, group] = (run ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const id = domain.get('id');
  const [blocks, blockBytes] = (space ?? '').trim().split(' ').map(Number);
  return {
    uuid,
    domain,
    instance: id === null ? null : `${id}@${started ?? '?'}`,
    qemuOwner: user && group ? `${user}:${group}` : '0:0',
    paused: state === 'paused',
    job: jobOf(at, job ?? ''),
    checkpoints: lines(checkpoints),
    points: new Map(plans.map((text) => planOf(text))),
    scratchFreeBytes: finite((blocks ?? NaN) * (blockBytes ?? NaN), at.config.scratchDir),
  };
}

function jobOf(at: LibvirtConnection, text: string): Survey['job'] {
  if (text.trim() === '') return null;
  const socket = parseXml(text, 'the backup job').at('server')?.get('socket') ?? null;
  return { point: pointOfSocket(at, socket) };
}

function planOf(text: string): [string, PointPlan | null] {
  const end = text.indexOf('\n');
  const name = text.slice(0, end);
  try {
    return [name, pointPlan.parse(JSON.parse(text.slice(end + 1)))];
  } catch {
    // A plan is written before anything that it speaks of exists: what is torn here has nothing to go on with.
    return [name, null];
  }
}

function lines(text: string | undefined): string[] {
  return (text ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

function finite(bytes: number, folder: string): number {
  if (Number.isFinite(bytes)) return bytes;
  throw new VmferryError('ToolFailed', `cannot read the free space of ${folder}`, { platform: 'libvirt' });
}
