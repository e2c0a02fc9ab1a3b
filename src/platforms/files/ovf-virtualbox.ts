import { info, warning, type Finding } from '../../model/finding.js';
import { isTrue } from './ovf-envelope.js';
import { nothingSaid, type MachineFacts } from './ovf-machine.js';
import type { OvfNode } from './ovf-node.js';
import { macAddress, wholeNumber } from './foreign-values.js';
import { removableAt } from './vbox-disks.js';

const SOUND_MODELS = new Map([
  ['AC97', 'ac97'],
  ['SB16', 'sb16'],
  ['HDA', 'ich6'],
]);

/**
 * `vbox:Machine` is the whole machine as in VirtualBox's own settings (VirtualBox-settings.xsd). Disks and cards are in
 * the items as well; the rest is only here.
 */
export function virtualBoxFacts(system: OvfNode, what: string): MachineFacts {
  const facts = nothingSaid();
  facts.guestOs = system.first('OperatingSystemSection')?.child('OSType') ?? null;
  const machine = system.first('Machine');
  if (!machine) return facts;
  const hardware = machine.first('Hardware');
  // Since 7.1 some of it lies in `Platform`.
  const part = (name: string) => hardware?.first(name) ?? machine.first('Platform')?.first(name) ?? null;
  facts.uuid = hardware?.get('uuid') ?? machine.get('uuid');
  facts.guestOs ??= machine.get('OSType');
  facts.firmware = /^EFI/i.test(part('Firmware')?.get('type') ?? 'BIOS') ? 'uefi' : 'bios';
  const tpm = part('TrustedPlatformModule')?.get('type') ?? 'None';
  if (tpm !== 'None') facts.tpm = { version: tpm === 'v1_2' ? '1.2' : '2.0' };
  // VirtualBox shows all processors as cores of one socket.
  const count = part('CPU')?.get('count');
  if (count) facts.coresPerSocket = wholeNumber(count, 'the count of processors', what, 1, 1024);
  facts.machine = part('Chipset')?.get('type') === 'ICH9' ? 'q35' : 'pc';
  const clock = part('RTC')?.get('localOrUTC') ?? part('BIOS')?.first('RTC')?.get('localOrUTC');
  facts.clock = clock?.toLowerCase() === 'utc' ? 'utc' : 'localtime';
  facts.display = part('Display')?.get('controller')?.toUpperCase() === 'VMSVGA' ? 'vmvga' : 'vga';
  facts.sound = soundOf(part('AudioAdapter'));
  facts.serialPorts =
    part('UART')
      ?.all('Port')
      .filter((port) => isTrue(port.get('enabled'))).length ?? 0;
  facts.adapters = adaptersOf(part('Network'));
  // Before 1.15 beside the hardware.
  facts.removable = removableIn(hardware?.first('StorageControllers') ?? machine.first('StorageControllers'));
  facts.findings = findingsOf(machine, hardware);
  return facts;
}

function soundOf(audio: OvfNode | null): string | null {
  if (!audio || audio.get('enabled')?.toLowerCase() === 'false') return null;
  const controller = audio.get('controller') ?? 'AC97';
  return SOUND_MODELS.get(controller) ?? controller;
}

function removableIn(storage: OvfNode | null): MachineFacts['removable'] {
  if (!storage) return null;
  return storage.all('StorageController').flatMap((controller) => {
    const kinds = controller.all('AttachedDevice').map((each) => each.get('type'));
    return removableAt(controller.get('type'), kinds);
  });
}

function adaptersOf(network: OvfNode | null): MachineFacts['adapters'] {
  const slot = (adapter: OvfNode) => Number(adapter.get('slot') ?? 0) || 0;
  return (network?.all('Adapter') ?? [])
    .filter((each) => isTrue(each.get('enabled')))
    .sort((a, b) => slot(a) - slot(b))
    .map((each) => ({ mac: macAddress(each.get('MACAddress')), model: each.get('type') }));
}

function findingsOf(machine: OvfNode, hardware: OvfNode | null): Finding[] {
  const folders = hardware?.first('SharedFolders')?.all('SharedFolder').length ?? 0;
  const filters = hardware?.first('USB')?.within('DeviceFilter').length ?? 0;
  return [
    ...(folders > 0
      ? [
          {
            id: 'filesystem.shared',
            ...warning(
              `The guest is given ${folders} folder(s) of its host, which are not among the VM's disks.`,
              'Copy what it needs of them into the guest.',
            ),
          },
        ]
      : []),
    ...(filters > 0
      ? [
          {
            id: 'hostdev.usb',
            ...warning(
              `${filters} USB device(s) of the host are given to the VM when they are plugged in; they stay where they are.`,
              'Give them to the VM at the target by hand, if the guest needs them.',
            ),
          },
        ]
      : []),
    ...(machine.first('Snapshot')
      ? [
          {
            id: 'vm.snapshots',
            ...warning(
              'The VM has snapshots, which are not carried over.',
              'Keep the source for as long as somebody may want to go back to one of them.',
            ),
          },
        ]
      : []),
    ...(machine.get('stateFile')
      ? [
          {
            id: 'vm.suspended',
            ...info(
              'The VM was suspended when it was exported; its memory is not in the export.',
              'See that the guest had been shut down in order.',
            ),
          },
        ]
      : []),
  ];
}
