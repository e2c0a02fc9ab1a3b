import { warning } from '../model/finding.js';
import type { Probe } from '../request/probe.js';
import type { Rule } from './rule.js';

export const addressRules: Rule[] = [
  {
    id: 'address.unknown',
    title: 'No address of the running guest is known, at which it could be asked whether it works.',
    severity: 'warning',
    basis: "The guest's agent, DHCP leases (virsh domifaddr) and the host's neighbours (ip-neighbour(8)) were asked.",
    boots: true,
    check: ({ vm, seen = null, request: { probes } }) => {
      if (seen === null || vm.nics.length === 0 || seen.addresses.length > 0) return [];
      if (probes !== undefined && !probes.some(needsAddress)) return [];
      const who = seen.agent
        ? "the guest's agent names none"
        : 'no agent answers, and neither DHCP leases nor neighbours of the host name one';
      const so =
        probes === undefined
          ? 'nothing tells at the target whether its addresses survived the move'
          : 'the probes that are asked for without an address cannot pass';
      return [
        warning(
          `No address of the running guest is known: ${who}; ${so}.`,
          'Start qemu-guest-agent in the guest, or name probes with an address or of the kind agent or console.',
        ),
      ];
    },
  },
];

function needsAddress(probe: Probe): boolean {
  return (probe.kind === 'tcp' && probe.address === undefined) || (probe.kind === 'http' && probe.url === undefined);
}
