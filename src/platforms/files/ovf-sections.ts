import { blocking, info, warning, type Finding } from '../../model/finding.js';
import { isTrue, type OvfEnvelope, type OvfSystem } from './ovf-envelope.js';
import type { OvfItem } from './ovf-items.js';
import type { OvfNode } from './ovf-node.js';
import { listed, quoted } from './foreign-values.js';

/** Sections and devices that are not carried over. What nobody has heard of is named, and is never a silent loss. */

/** Read elsewhere, or of no meaning for a machine. */
const READ = new Set([
  ...['References', 'DiskSection', 'SharedDiskSection', 'NetworkSection', 'VirtualSystem', 'VirtualSystemCollection'],
  ...['DeploymentOptionSection', 'Strings', 'Info', 'Name', 'Description', 'OperatingSystemSection'],
  ...['VirtualHardwareSection', 'ProductSection', 'EulaSection', 'StartupSection', 'InstallSection'],
  ...['BootOrderSection', 'Machine', 'System', 'Item', 'StorageItem', 'EthernetPortItem', 'Config', 'ExtraConfig'],
  ...['AnnotationSection', 'ResourceAllocationSection', 'PlacementGroupSection', 'PlacementSection'],
  'VirtualSystemOtherConfigurationData',
]);

/** Of oVirt: when and by whom it was made, how its engine shows and schedules it, and what ovf-ovirt.ts reads. */
const OVIRT_READ = new Set([
  ...['TemplateId', 'TemplateName', 'OriginalTemplateId', 'OriginalTemplateName', 'InstanceTypeId', 'ImageTypeId'],
  ...['BaseTemplateId', 'TemplateType', 'TemplateVersionNumber', 'TemplateVersionName', 'IsDisabled', 'OvfId'],
  ...['Comment', 'Domain', 'CreationDate', 'ExportDate', 'DeleteProtected', 'SsoMethod', 'IsSmartcardEnabled'],
  ...[
    'NumOfIoThreads',
    'TimeZone',
    'default_boot_sequence',
    'default_display_type',
    'DefaultDisplayType',
    'Generation',
  ],
  ...['CustomCompatibilityVersion', 'ClusterCompatibilityVersion', 'ClusterName', 'VmType', 'ResumeBehavior', 'Origin'],
  ...['TunnelMigration', 'VncKeyboardLayout', 'MinAllocatedMem', 'IsStateless', 'IsRunAndPause', 'AutoStartup'],
  ...['Priority', 'CreatedByUserId', 'MigrationSupport', 'MigrationDowntime', 'DedicatedVmForVds', 'CpuPinning'],
  ...['SerialNumberPolicy', 'CustomSerialNumber', 'IsBootMenuEnabled', 'IsSpiceFileTransferEnabled', 'BiosType'],
  ...['IsSpiceCopyPasteEnabled', 'AllowConsoleReconnect', 'ConsoleDisconnectAction', 'IsAutoConverge', 'UseHostCpu'],
  ...['IsMigrateCompressed', 'IsMigrateEncrypted', 'MigrationPolicyId', 'CustomEmulatedMachine', 'CustomCpuName'],
  ...['PredefinedProperties', 'UserDefinedProperties', 'MaxMemorySizeMb', 'LeaseDomainId', 'StopTime', 'BootTime'],
  ...['Downtime', 'IsInitilized', 'IsAutoSuspend', 'app_list', 'quota_id', 'TrustedService', 'UseLatestVersion'],
  ...['VmInit', 'kernel_url', 'initrd_url', 'kernel_params', 'SnapshotsSection', 'UserDomainsSection'],
  ...[
    'AffinityGroupsSection',
    'AffinityLabelsSection',
    'EngineXml',
    'MultiQueuesEnabled',
    'VirtioScsiMultiQueuesEnabled',
  ],
  ...['BalloonEnabled', 'CpuPinningPolicy', 'UseTscFrequency', 'ParallelMigrations'],
]);

export function sectionFindings(
  { node, above }: OvfSystem,
  hardware: OvfNode | null,
  envelope: OvfEnvelope,
): Finding[] {
  const scopes = [node, ...above];
  const unknown = [...(hardware?.children ?? []), ...scopes.flatMap((each) => each.children)].filter(
    (each) => !READ.has(each.name) && !(envelope.ovirt && OVIRT_READ.has(each.name)),
  );
  const isMust = (each: OvfNode) => {
    const required = each.get('required');
    // A section is required unless it says otherwise (DSP0243, "Extensibility"); other elements are not.
    return required === null ? each.name.endsWith('Section') : isTrue(required);
  };
  return [
    ...required(unknown.filter(isMust)),
    ...left(unknown.filter((each) => !isMust(each)).map((each) => each.name)),
    ...properties(scopes, hardware),
    ...has(scopes, 'EulaSection', {
      id: 'ovf.eula',
      ...info(
        'The package has a licence agreement, which is not asked for here.',
        'Read it in the descriptor (EulaSection).',
      ),
    }),
    ...has(scopes, 'StartupSection', {
      id: 'ovf.startup',
      ...info(
        'The package says in which order its machines start and stop; that is not carried over.',
        'Start them in that order (StartupSection).',
      ),
    }),
    ...has(scopes, 'InstallSection', {
      id: 'ovf.install',
      ...warning(
        'The VM has to be started once to finish its installation (InstallSection).',
        'Start it at the source first, or expect it to restart by itself at the target.',
      ),
    }),
    ...(envelope.configuration === null ? [] : [configuration(envelope)]),
  ];
}

function required(nodes: readonly OvfNode[]): Finding[] {
  if (nodes.length === 0) return [];
  return [
    {
      id: 'ovf.section-required',
      ...blocking(
        `The descriptor requires what is not known here: ${listed(nodes.map((each) => each.name))}.`,
        'See what it is for, and waive this finding when the guest can do without.',
      ),
    },
  ];
}

export function left(names: readonly string[]): Finding[] {
  if (names.length === 0) return [];
  return [
    {
      id: 'setting.not-carried-over',
      ...info(
        `These settings are not carried over: ${listed([...names].sort())}.`,
        'Set them at the target by hand if they matter.',
      ),
    },
  ];
}

function properties(scopes: readonly OvfNode[], hardware: OvfNode | null): Finding[] {
  const keys = scopes.flatMap((each) => each.all('ProductSection')).flatMap((each) => each.all('Property'));
  if (keys.length === 0) return [];
  const transport = hardware?.get('transport');
  const how = transport ? ` through ${quoted(transport)}` : '';
  return [
    {
      id: 'ovf.properties',
      ...info(
        `The guest may expect ${keys.length} propert${keys.length === 1 ? 'y' : 'ies'} when it starts${how}, which it is not given: ${listed(keys.map((each) => each.get('key') ?? ''))}.`,
        'A guest that was set up at the source keeps what it was given; set up a new one by hand.',
      ),
    },
  ];
}

function has(scopes: readonly OvfNode[], name: string, finding: Finding): Finding[] {
  return scopes.some((each) => each.first(name) !== null) ? [finding] : [];
}

function configuration({ configuration: id }: OvfEnvelope): Finding {
  return {
    id: 'ovf.configuration',
    ...warning(
      `The package can be set up in several ways; ${quoted(id ?? '')}, its default, is taken.`,
      'Change processors, memory and disks at the target if another fits better (DeploymentOptionSection).',
    ),
  };
}

/** Devices; those that a descriptor calls required (other than by default) stop the move. */
export function deviceFindings(items: readonly OvfItem[]): Finding[] {
  const of = (kind: OvfItem['kind']) => items.filter((each) => each.kind === kind);
  const [host, nvdimms, others] = [of('passthrough'), of('nvdimm'), of('other')];
  const must = others.filter((each) => isTrue(each.node.get('required')));
  const names = (all: readonly OvfItem[]) => listed(all.map((each) => each.label).sort());
  return [
    ...(host.length > 0
      ? [
          {
            id: 'hostdev.passthrough',
            ...blocking(
              `${host.length} device(s) of the host are passed through to the VM; they stay where they are.`,
              'Detach them, or waive this finding when the guest can do without.',
            ),
          },
        ]
      : []),
    ...(nvdimms.length > 0
      ? [
          {
            id: 'device.nvdimm',
            ...blocking(
              `The VM has persistent memory (${names(nvdimms)}), whose content is not carried over.`,
              'Copy what lies in it to a disk, and remove it.',
            ),
          },
        ]
      : []),
    ...(must.length > 0
      ? [
          {
            id: 'device.required',
            ...blocking(
              `The descriptor requires devices that are not carried over: ${names(must)}.`,
              'Waive this finding when the guest can do without.',
            ),
          },
        ]
      : []),
    ...(others.length > must.length
      ? [
          {
            id: 'device.not-carried-over',
            ...info(
              `These devices are not carried over: ${names(others.filter((each) => !must.includes(each)))}.`,
              'Add them at the target by hand if the guest needs them.',
            ),
          },
        ]
      : []),
  ];
}
