import type { VmDescription } from '../../model/vm.js';
import { parseSizeBytes } from '../../request/units.js';
import type { LibvirtConnection } from './connect.js';
import { describeDomain } from './describe.js';
import { readDomain, type DomainXml } from './domain.js';
import type { LibvirtFinding } from './finding-kinds.js';
import { runningFindings } from './running-findings.js';
import { absentSides } from './side-files.js';
import { diskFindings } from './source-disk-findings.js';
import { survey, type Survey } from './survey.js';
import type { XmlElement } from '../xml.js';

/**
 * What stands in the way of moving this VM, or should be known before. Only looks. Findings of the description itself
 * (`vm.findings`) are not repeated, but for those of the disks that are copied.
 */
export async function sourceFindings(
  at: LibvirtConnection,
  vm: VmDescription,
  disks: readonly string[],
  signal?: AbortSignal,
): Promise<LibvirtFinding[]> {
  const domain = await readDomain(at, vm.name, signal);
  const missing = await missingTools(at, signal);
  if (missing.length > 0) return [toolsFinding(at, missing)];
  const info = await at.virsh.run(['dominfo', '--domain', domain.uuid], { signal });
  const job = await at.virsh.runOr(/not running/i, ['domjobinfo', '--domain', domain.uuid], { signal });
  const snapshots = await at.virsh.run(['snapshot-list', '--name', '--domain', domain.uuid], { signal });
  const seen = await survey(at, vm.name, signal);
  return [
    ...domainFindings(domain, info, job ?? '', seen),
    ...snapshotFindings(snapshots),
    ...(domain.live ? await runningFindings(at, domain.live, signal) : []),
    ...spaceFindings(at, seen),
    ...(await sideFindings(at, domain, signal)),
    ...(await diskFindings(at, domain, disks, signal)),
  ];
}

/** Of a list of names, so many are said. */
const SOME = 3;
const TOOLS = ['virsh', 'qemu-img', 'qemu-nbd', 'bash', 'find', 'flock', 'setsid', 'setpriv', 'timeout'];

async function missingTools(at: LibvirtConnection, signal?: AbortSignal): Promise<string[]> {
  const script = 'for tool; do command -v "$tool" >/dev/null || echo "$tool"; done; exit 0';
  const { stdout } = await at.host.run('sh', ['-c', script, 'sh', ...TOOLS], { signal });
  return stdout.split('\n').filter(Boolean);
}

function toolsFinding(at: LibvirtConnection, missing: string[]): LibvirtFinding {
  return {
    id: 'site.tools',
    severity: 'blocking',
    message: `${at.host.name} has no ${missing.join(', ')}.`,
    remedy: 'Install there: libvirt-clients, qemu-utils, bash, findutils, util-linux, coreutils.',
  };
}

function domainFindings(domain: DomainXml, info: string, job: string, seen: Survey): LibvirtFinding[] {
  const findings: LibvirtFinding[] = [];
  if (!domain.persistent) {
    findings.push({
      id: 'vm.transient',
      severity: 'blocking',
      message: 'The VM is transient: when it stops, its definition is gone and there is no way back.',
      remedy: 'Make it persistent: `virsh dumpxml VM > vm.xml; virsh define vm.xml`.',
    });
  }
  if (/^Managed save:\s+yes/m.test(info)) {
    findings.push({
      id: 'vm.managed-save',
      severity: 'blocking',
      message: "The VM's memory is saved beside its disks (managed save); a copy of the disks alone is torn.",
      remedy: 'Start it and shut it down in order, or give the state up: `virsh managedsave-remove VM`.',
    });
  }
  if (seen.paused) {
    findings.push({
      id: 'vm.paused',
      severity: 'warning',
      message: 'The VM is paused; it cannot be quiesced or shut down in order like this.',
      remedy: 'Resume it: `virsh resume VM`.',
    });
  }
  const jobType = /^Job type:\s+(.*\S)/m.exec(job)?.[1] ?? 'None';
  if ((seen.job && !seen.job.point) || (!seen.job && jobType !== 'None')) {
    findings.push({
      id: 'job.foreign',
      severity: 'blocking',
      message: 'Another job (a backup, a migration, a dump) works on the VM.',
      remedy: 'Wait for it: `virsh domjobinfo VM` shows it.',
    });
  }
  const foreign = seen.checkpoints.filter((name) => !/^vmferry-[0-9a-f]{12}-/.test(name));
  if (foreign.length > 0) {
    findings.push({
      id: 'checkpoint.foreign',
      severity: 'warning',
      message: `Other software tracks changes of this VM (checkpoints ${foreign.slice(0, SOME).join(', ')}). They are left alone, so changes are not tracked for the migration: every pass reads the disks whole, the last one while the VM is off.`,
      remedy: 'Remove them (`virsh checkpoint-delete`) if nobody needs them.',
    });
  }
  if (domain.definition.at('devices')?.all('disk').some(hasMedium)) {
    findings.push({
      id: 'removable.medium',
      severity: 'info',
      message: 'A CD or floppy is inserted; the drive is carried over, the medium is not.',
      remedy: 'Insert it at the target by hand if the guest needs it.',
    });
  }
  return findings;
}

function snapshotFindings(listed: string): LibvirtFinding[] {
  const names = listed
    .split('\n')
    .map((each) => each.trim())
    .filter(Boolean);
  if (names.length === 0) return [];
  const more = names.length > SOME ? ' and others' : '';
  return [
    {
      id: 'vm.snapshots',
      severity: 'warning',
      message: `The VM has ${names.length} snapshot(s), which are not carried over: ${names.slice(0, SOME).join(', ')}${more}.`,
      remedy:
        'Keep the source for as long as somebody may want to go back to one of them; or remove them: `virsh snapshot-delete`, for external ones after `virsh blockcommit`.',
    },
  ];
}

function hasMedium(disk: XmlElement): boolean {
  const device = disk.get('device');
  return (device === 'cdrom' || device === 'floppy') && disk.at('source') !== null;
}

function spaceFindings(at: LibvirtConnection, seen: Survey): LibvirtFinding[] {
  const needed = 2 * (parseSizeBytes(at.config.scratchReserve) ?? 0);
  if (seen.scratchFreeBytes >= needed) return [];
  return [
    {
      id: 'scratch.space',
      severity: 'blocking',
      message: `${Math.round(seen.scratchFreeBytes / 2 ** 20)} MiB are free in ${at.config.scratchDir}; a backup job needs ${Math.round(needed / 2 ** 20)} MiB to begin.`,
      remedy: 'Make room there, or set another scratchDir for this site.',
    },
  ];
}

/** State beside the disks that has to be there, as the VM runs with it. One that is off may never have been started. */
async function sideFindings(at: LibvirtConnection, domain: DomainXml, signal?: AbortSignal): Promise<LibvirtFinding[]> {
  const { definition, live } = domain;
  if (live === null) return [];
  const absent = await absentSides(at, describeDomain({ definition, live, disks: new Map() }), signal);
  const blocking = (id: LibvirtFinding['id'], what: string, path: string, fresh: string): LibvirtFinding => ({
    id,
    severity: 'blocking',
    message: `The VM runs, but ${what} cannot be found in ${path}.`,
    remedy: `Look for it at the source and put it there, or waive this finding when the guest can start with ${fresh}.`,
  });
  return [
    ...(absent.nvram === null
      ? []
      : [blocking('firmware.variables-missing', 'the file of its UEFI variables', absent.nvram, 'new ones')]),
    ...(absent.tpm === null ? [] : [blocking('tpm.state-missing', 'the state of its TPM', absent.tpm, 'an empty TPM')]),
  ];
}
