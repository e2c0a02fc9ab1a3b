import { blocking, warning } from '../model/finding.js';
import { quoted, type Rule } from './rule.js';

export const firmwareRules: Rule[] = [
  {
    id: 'firmware.bios-missing',
    title: 'The VM boots by BIOS, and the target has none.',
    severity: 'blocking',
    basis: 'UEFI 2.10, 13.3: UEFI boots from an EFI system partition, a BIOS from the first sector.',
    check: ({ vm, target }) =>
      vm.firmware === 'bios' && !target.firmware.bios
        ? [blocking('The target has no BIOS.', 'Convert the guest to boot by UEFI before the move.')]
        : [],
  },
  {
    id: 'firmware.uefi-missing',
    title: 'The VM boots by UEFI, and the target has no such firmware.',
    severity: 'blocking',
    basis: 'The site was asked for its firmware (QEMU, docs/interop/firmware.json).',
    check: ({ vm, target }) =>
      vm.firmware === 'uefi' && !vm.secureBoot && !target.firmware.uefi
        ? [blocking('The target has no UEFI firmware.', 'Install ovmf there.')]
        : [],
  },
  {
    id: 'firmware.secure-boot-missing',
    title: 'The VM boots with secure boot, and the target has no such firmware.',
    severity: 'blocking',
    basis: 'The site was asked for its firmware (QEMU, docs/interop/firmware.json, secure-boot).',
    check: ({ vm, target }) =>
      vm.secureBoot && !target.firmware.secureBoot
        ? [blocking('The target has no UEFI firmware with secure boot.', 'Install ovmf there.')]
        : [],
  },
  {
    id: 'tpm.missing',
    title: 'The VM has a TPM, and the target cannot emulate one.',
    severity: 'blocking',
    basis: 'The site was asked for swtpm (libvirt.org/formatdomain.html, tpm).',
    check: ({ vm, target }) =>
      vm.tpm && !target.tpm
        ? [blocking('The VM has a TPM, and the target cannot emulate one.', 'Install swtpm and swtpm-tools there.')]
        : [],
  },
  {
    id: 'tpm.version',
    title: 'The VM has a TPM of version 1.2, or of one that the target does not have.',
    severity: 'blocking',
    basis: 'TCG PC Client PTP 1.05: 2.0 and 1.2 share no keys and no commands; Windows 11 wants 2.0.',
    check: ({ vm: { tpm }, target: { limits } }) => {
      if (!tpm) return [];
      if (!limits.tpmVersions.includes(tpm.version)) {
        const message = `The VM has a TPM of version ${quoted(tpm.version)}; the target has ${limits.tpmVersions.join(', ') || 'none'}.`;
        return [blocking(message, 'Unseal what the guest keeps in it (such as disk keys), and remove the device.')];
      }
      if (tpm.version !== '1.2') return [];
      return [
        warning(
          'The VM has a TPM of version 1.2: not every firmware still talks to one.',
          'Rehearse, and have the recovery keys of encrypted disks at hand.',
        ),
      ];
    },
  },
];
