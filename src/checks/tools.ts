import { blocking, info, warning } from '../model/finding.js';
import { isBefore, TOOLS, type SiteTools } from '../model/tools.js';
import type { Rule } from './rule.js';

/** `qemu-img bitmap` came with it; `qemu-nbd --bitmap`, which is used too, before. */
const BITMAPS_SINCE = '5.1';

export const toolRules: Rule[] = [
  {
    id: 'tools.versions',
    title: 'Which programs work on the VM at both sites, with their versions.',
    severity: 'info',
    basis: 'What `virsh version` and the programs themselves say.',
    check: ({ migrationId, tools }) => {
      // Of a whole site it would be said of each VM.
      if (!tools || migrationId === null) return [];
      const said = [
        ['source', inWords(tools.source)],
        ['target', inWords(tools.target)],
      ].filter(([, words]) => words !== '');
      if (said.length === 0) return [];
      const message = `Found were ${said.map(([side, words]) => `at the ${side} ${words}`).join('; ')}.`;
      return [info(message, 'Nothing; look here first where something works at one site and not at another.')];
    },
  },
  {
    id: 'tools.too-old',
    title: "QEMU's programs at the source are too old for what tells which blocks changed.",
    severity: 'blocking',
    basis: "QEMU's change log for 5.1: qemu-img bitmap; the programs were asked for their version.",
    check: ({ source, tools }) => {
      const version = tools?.source['qemu-img'];
      if (version === undefined || !source.abilities.changeTracking || !isBefore(version, BITMAPS_SINCE)) return [];
      return [
        blocking(
          `The source has qemu-img ${version}, which cannot make or remove bitmaps; that takes ${BITMAPS_SINCE}.`,
          `Install QEMU's programs (qemu-utils) of ${BITMAPS_SINCE} or later at the source.`,
        ),
      ];
    },
  },
  {
    id: 'tools.conversion',
    title: 'The guest is to be looked into or converted, and the target lacks the programs for it.',
    severity: 'blocking',
    basis: 'guestfish(1) and virt-v2v-in-place(1) were looked for at the target.',
    check: ({ devicesFrom = null, tools, request }) => {
      if (devicesFrom === null || !tools) return [];
      const { libguestfs, 'virt-v2v': v2v } = tools.target;
      if (libguestfs === undefined) {
        return [
          blocking(
            'The guest is looked into before it boots at the target, and the target has no guestfish for that.',
            'Install libguestfs-tools there, or keep the devices that the VM has ("devices": "as-source", "conversion": "none").',
          ),
        ];
      }
      if (v2v !== undefined || request.conversion === 'none' || request.conversion === 'light') return [];
      return [
        warning(
          'The target has no virt-v2v-in-place: a guest without drivers for its new devices gets none, but devices that it has drivers for.',
          'Install virt-v2v (2.2 or later) there.',
        ),
      ];
    },
  },
];

function inWords(tools: SiteTools): string {
  return TOOLS.flatMap((name) => (tools[name] === undefined ? [] : `${name} ${tools[name]}`)).join(', ');
}
