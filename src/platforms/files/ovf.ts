import { blocking, info, warning, type Finding } from '../../model/finding.js';
import type { VmDescription } from '../../model/vm.js';
import type { ForeignVm } from './foreign.js';
import { attachmentOf, fileOf } from './ovf-attachment.js';
import { bootOrderOf } from './ovf-boot.js';
import { propertiesOf } from './ovf-capacity.js';
import { machineFacts } from './ovf-dialects.js';
import { shareable } from './ovf-disk-findings.js';
import { describeDisks, type FoundDisks } from './ovf-disks.js';
import { readEnvelope, type OvfEnvelope, type OvfReference, type OvfSystem } from './ovf-envelope.js';
import { describeCpu, describeNics, memoryBytes } from './ovf-hardware.js';
import { itemsOf, type OvfItem } from './ovf-items.js';
import type { MachineFacts } from './ovf-machine.js';
import type { OvfNode } from './ovf-node.js';
import { deviceFindings, left, sectionFindings } from './ovf-sections.js';
import { filesTwice, firmwareMismatch, sameFile } from './foreign-findings.js';
import { dashedUuid, listed, plainText } from './foreign-values.js';

export type { OvfReference } from './ovf-envelope.js';

/**
 * The machines that an OVF envelope describes (DMTF DSP0243, 1.0 to 2.0, and 0.9 as VMware's first tools and oVirt write
 * it), and the files it names. `what` is how the descriptor is called in messages. Nothing but the text is looked at.
 * @throws VmferryError `HostileInput` for what is no envelope, has no machine, or says what cannot be.
 */
export function parseOvf(text: string, what: string): { vms: ForeignVm[]; references: OvfReference[] } {
  const envelope = readEnvelope(text, what);
  const described = envelope.systems.map((system) => describeSystem(system, envelope));
  const shared = [...envelope.findings, ...unusedDisks(envelope, described), ...unusedFiles(envelope)];
  const often = timesUsed(described.flatMap(({ used }) => used));
  const vms = described.map(({ vm, foreign, used }): ForeignVm => {
    const twice = [...new Set(used.filter((id) => often.get(id)! > 1))];
    const findings = [...vm.findings, ...(twice.length > 0 ? [shareable(twice)] : []), ...shared];
    return { vm: { ...vm, findings }, disks: foreign };
  });
  return { vms, references: envelope.references };
}

function describeSystem(system: OvfSystem, envelope: OvfEnvelope): FoundDisks & { vm: VmDescription } {
  const { node, above } = system;
  const { what } = envelope;
  const sections = node.all('VirtualHardwareSection');
  const hardware = sections[0] ?? null;
  const items = hardware ? itemsOf(hardware, envelope) : [];
  const facts = machineFacts(node, hardware, what, envelope.ovirt);
  const findings: Finding[] = [];
  const boot = bootOrderOf(node, items);
  const found = describeDisks(
    items,
    envelope,
    propertiesOf([node, ...above], envelope.configuration, what),
    boot.disks,
  );
  const firmware = facts.firmware ?? 'bios';
  const hasTpm = facts.tpm !== null || items.some((each) => each.kind === 'tpm');
  const nvram = firmware === 'uefi' ? nvramOf(hardware, envelope) : null;
  const vm: VmDescription = {
    name: nameOf(node, hardware, what),
    uuid: dashedUuid(facts.uuid) ?? '',
    firmware,
    secureBoot: firmware === 'uefi' && facts.secureBoot,
    tpm: hasTpm ? { model: 'tpm-crb', version: facts.tpm?.version ?? '2.0', statePath: null } : null,
    memoryBytes: memoryBytes(items, what, findings),
    cpu: describeCpu(items, facts, what, findings),
    disks: found.disks,
    removable: facts.removable ?? found.removable,
    nics: describeNics(items, facts, envelope, findings),
    display: displayOf(items, facts, envelope),
    sound: soundOf(items, facts, what),
    guestOs:
      facts.guestOs === null ? null : plainText(facts.guestOs.replace(/\s+/g, ' '), 'the operating system', what),
    machine: facts.machine,
    serialPorts: facts.serialPorts ?? items.filter((each) => each.kind === 'serial').length,
    guestAgentChannel: false,
    clock: facts.clock ?? 'utc',
    rng: items.some((each) => each.kind === 'rng'),
    nvramPath: nvram,
    findings: [],
  };
  findings.push(
    ...(vm.name === '' ? [noName()] : []),
    ...hardwareChoice(sections.length),
    ...numbersTwice(items),
    ...architecture(vm.guestOs),
    ...(facts.secureBoot && firmware !== 'uefi' ? [firmwareMismatch()] : []),
    ...(hasTpm ? [tpmState()] : []),
    ...(nvram === null ? [] : [variablesFormat()]),
    ...boot.findings,
    ...facts.findings,
    ...found.findings,
    ...filesTwice(sameFile(found.disks)),
    ...deviceFindings(items),
    ...left(facts.left),
    ...sectionFindings(system, hardware, envelope),
  );
  return { ...found, vm: { ...vm, findings } };
}

function nameOf(system: OvfNode, hardware: OvfNode | null, what: string): string {
  const name = system.child('Name') ?? hardware?.first('System')?.child('VirtualSystemIdentifier') ?? system.get('id');
  return plainText(name ?? '', 'the name', what);
}

/** A card that is not said is still there everywhere but in oVirt, which names every device. */
function displayOf(items: readonly OvfItem[], facts: MachineFacts, envelope: OvfEnvelope): string | null {
  const card = items.find((each) => each.kind === 'video');
  if (envelope.ovirt) return card ? plainText(card.node.child('Device') ?? 'vga', 'a device', envelope.what) : null;
  return facts.display ?? (card ? 'vmvga' : 'vga');
}

const SOUND_MODELS: [RegExp, string][] = [
  [/hdaudio|\bhda\b|^ich[67]$/, 'ich6'],
  [/(es|ensoniq)1371/, 'es1370'],
  [/ac97/, 'ac97'],
  [/sb16/, 'sb16'],
];

function soundOf(items: readonly OvfItem[], facts: MachineFacts, what: string): string | null {
  const card = items.find((each) => each.kind === 'sound');
  const said = card ? (card.subTypes[0] ?? card.node.child('Device') ?? 'hdaudio') : null;
  const name = facts.sound === undefined ? said : facts.sound;
  if (name === null) return null;
  return SOUND_MODELS.find(([pattern]) => pattern.test(name))?.[1] ?? plainText(name, 'a sound card', what);
}

/** VMware names the file in a setting; else it is the one with the ending. */
function nvramOf(hardware: OvfNode | null, { references, files }: OvfEnvelope): string | null {
  const setting = hardware?.all('ExtraConfig').find((each) => each.get('key')?.toLowerCase() === 'nvram');
  const named = files.get(/^(?:ovf:)?\/{0,3}file\/(.+)$/.exec(setting?.get('value') ?? '')?.[1] ?? '');
  const ending = references.filter((each) => /\.nvram$/i.test(each.href));
  return named?.href ?? (ending.length === 1 ? ending[0]!.href : null);
}

function noName(): Finding {
  return {
    id: 'vm.no-name',
    ...blocking('The VM has no name.', 'Write one in the descriptor, as <Name> of the virtual system.'),
  };
}

function hardwareChoice(count: number): Finding[] {
  if (count === 1) return [];
  if (count === 0) {
    return [
      {
        id: 'vm.no-hardware',
        ...blocking(
          'The descriptor says nothing of the hardware of the VM.',
          'Export it again, or define it at the target by hand.',
        ),
      },
    ];
  }
  return [
    {
      id: 'ovf.hardware-choice',
      ...warning(
        `The hardware is described in ${count} ways; the first is taken.`,
        'Compare them in the descriptor (VirtualHardwareSection).',
      ),
    },
  ];
}

/** Disks name their controller by its number. */
function numbersTwice(items: readonly OvfItem[]): Finding[] {
  const ids = items.filter((each) => each.kind === 'controller').map((each) => each.id);
  if (new Set(ids).size === ids.length) return [];
  return [
    {
      id: 'ovf.instance-twice',
      ...warning(
        'Two controllers have the same number (InstanceID), so that their disks cannot be told apart.',
        'See that each disk has the right bus and place in the order.',
      ),
    },
  ];
}

function architecture(guestOs: string | null): Finding[] {
  if (!/^arm(?!enia)|[_-]arm(64)?\b|aarch64|ppc64|s390x?/i.test(guestOs ?? '')) return [];
  return [
    {
      id: 'cpu.architecture',
      ...blocking(
        `The VM is for another processor (${guestOs ?? ''}); only x86 is supported.`,
        'Leave it where it is.',
      ),
    },
  ];
}

function tpmState(): Finding {
  return {
    id: 'tpm.external',
    ...blocking(
      'The VM has a TPM, whose content is not in the export; the VM gets an empty one.',
      'Unseal what the guest keeps in it (such as disk keys), or waive this finding when it can start without.',
    ),
  };
}

function variablesFormat(): Finding {
  return {
    id: 'firmware.variables-format',
    ...warning(
      "The VM's UEFI variables are in the exporting tool's own form; its boot entries and own keys may have to be made anew.",
      'Make sure that the guest also boots from \\EFI\\BOOT\\BOOTX64.EFI, as Windows and most Linux do.',
    ),
  };
}

function timesUsed(ids: readonly string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const id of ids) times.set(id, (times.get(id) ?? 0) + 1);
  return times;
}

function unusedDisks({ disks }: OvfEnvelope, described: readonly FoundDisks[]): Finding[] {
  const used = new Set(described.flatMap((each) => each.used));
  const rest = [...disks.keys()].filter((id) => !used.has(id));
  if (rest.length === 0) return [];
  return [
    {
      id: 'disk.unattached',
      ...warning(
        `The descriptor has disks that no VM uses: ${listed(rest)}. They are not carried over.`,
        'Attach them at the source and export again, if they are needed.',
      ),
    },
  ];
}

function unusedFiles(envelope: OvfEnvelope): Finding[] {
  const held = envelope.systems.flatMap(({ node }) =>
    node
      .all('VirtualHardwareSection')
      .flatMap((each) => itemsOf(each, envelope))
      .map((item) => attachmentOf(item, envelope)),
  );
  const used = new Set([
    ...held.map((each) => (each.kind === 'file' ? each.file : null)),
    ...[...envelope.disks.values()].map((disk) => fileOf(disk, envelope)),
  ]);
  const rest = envelope.references.filter((each) => !used.has(each) && !/\.nvram$/i.test(each.href));
  if (rest.length === 0) return [];
  return [
    {
      id: 'file.unused',
      ...info(`These files are not carried over: ${listed(rest.map((each) => each.href))}.`, 'See what they are for.'),
    },
  ];
}
