import type { LibvirtConnection } from './connect.js';
import { agentChannel } from './describe.js';
import type { LibvirtFinding } from './finding-kinds.js';
import { parseXml, type XmlElement } from '../xml.js';

/** What should be known of a VM because it runs: it is copied meanwhile, and then asked to shut down. */
export async function runningFindings(
  at: LibvirtConnection,
  live: XmlElement,
  signal?: AbortSignal,
): Promise<LibvirtFinding[]> {
  const channel = agentChannel(live);
  const answers = channel?.at('target')?.get('state') === 'connected';
  return [
    ...(await backupFindings(at, live, signal)),
    // That there is no channel at all is said by what is described.
    ...(channel && !answers ? [silentAgent()] : []),
    ...(answers || live.at('features/acpi') ? [] : [noAcpi()]),
    ...staysOn(live),
  ];
}

async function backupFindings(
  at: LibvirtConnection,
  live: XmlElement,
  signal?: AbortSignal,
): Promise<LibvirtFinding[]> {
  const type = live.get('type') ?? 'kvm';
  const text = await at.virsh.runOr(/./, ['domcapabilities', `--virttype=${type}`], { signal });
  // Where it cannot be told, the first point in time tells.
  if (text === null || hasBackup(text) || switchedOn(live)) return [];
  return [
    {
      id: 'site.backup-unsupported',
      severity: 'blocking',
      message: `${at.host.name} has a libvirt or a QEMU without backup jobs, by which a running VM is copied.`,
      remedy: 'Shut the VM down to move it, or install libvirt 7.6 and QEMU 6.1 or later there.',
    },
  ];
}

/** Releases before 6.0 do not know the element. */
function hasBackup(domainCapabilities: string): boolean {
  return parseXml(domainCapabilities, 'the domain capabilities').at('features/backup')?.get('supported') === 'yes';
}

/** From libvirt 6.0 to 7.5 an administrator could (libvirt.org/drvqemu.html, control of QEMU feature flags). */
function switchedOn(live: XmlElement): boolean {
  const added = live.at('qemu:capabilities')?.all('qemu:add') ?? [];
  return added.some((each) => each.get('capability') === 'incremental-backup');
}

function silentAgent(): LibvirtFinding {
  return {
    id: 'agent.missing',
    severity: 'info',
    message:
      'No guest agent answers: file systems are not frozen for a point in time, which is then as after a power cut.',
    remedy: 'Install and start qemu-guest-agent in the guest.',
  };
}

function noAcpi(): LibvirtFinding {
  return {
    id: 'shutdown.no-acpi',
    severity: 'warning',
    message:
      'Nobody can ask the guest to shut down: the VM has no ACPI, and no guest agent answers. The cutover can only wait for it, or pull the plug.',
    remedy:
      'Start qemu-guest-agent in the guest, shut it down from within at the cutover, or allow pulling the plug (cutover.shutdown).',
  };
}

function staysOn(live: XmlElement): LibvirtFinding[] {
  const action = live.text('on_poweroff') ?? 'destroy';
  if (action === 'destroy') return [];
  return [
    {
      id: 'shutdown.not-off',
      severity: 'warning',
      message: `When its guest shuts down, the VM does not end (on_poweroff is ${action}): a cutover waits for that in vain.`,
      remedy: '`virsh set-lifecycle-action VM --type poweroff --action destroy --live --config`.',
    },
  ];
}
