import { blocking, info, warning } from '../model/finding.js';
import { networkAt, quoted, repeated, type Facts, type Rule } from './rule.js';

/** MAC of one card: six bytes of which the first has its lowest bit clear. */
const UNICAST_MAC = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i;
const NO_MAC = '00:00:00:00:00:00';

export const networkRules: Rule[] = [
  {
    id: 'network.unmapped',
    title: 'A network of the VM is mapped to none of the target.',
    severity: 'blocking',
    basis: 'A network card is defined on a network of the target by its name.',
    boots: true,
    check: (facts) =>
      sourceNetworks(facts)
        .filter((network) => networkAt(facts, network) === null)
        .map((network) =>
          blocking(`The network ${quoted(network)} is mapped to no network at the target.`, mapIt(facts)),
        ),
  },
  {
    id: 'network.missing',
    title: 'A network of the VM is mapped to one that the target does not have.',
    severity: 'blocking',
    basis: 'A network card is plugged into a network of the target by its name; the site was asked for those.',
    boots: true,
    check: (facts) =>
      sourceNetworks(facts).flatMap((network) => {
        const target = networkAt(facts, network);
        if (target === null || known(facts).includes(target)) return [];
        const message = `The network ${quoted(network)} is mapped to ${quoted(target)}, which does not exist at the target.`;
        return [blocking(message, mapIt(facts))];
      }),
  },
  {
    id: 'network.shared',
    title: 'Several network cards come to one network of the target.',
    severity: 'warning',
    basis: 'Linux answers ARP for any of its addresses on any card (Documentation/networking/ip-sysctl, arp_filter).',
    check: (facts) =>
      repeated(facts.vm.nics.flatMap(({ network }) => networkAt(facts, network) ?? [])).map((target) => {
        const nics = facts.vm.nics.filter(({ network }) => networkAt(facts, network) === target);
        const sources = new Set(nics.map(({ network }) => network));
        const message = `The network cards ${nics.map(({ mac }) => mac || 'without address').join(', ')} all come to the network ${quoted(target)}`;
        return sources.size === 1
          ? info(`${message}, as they are on one at the source.`, 'Nothing, where the guest bonds them or knows of it.')
          : warning(
              `${message}; at the source they are on ${sources.size}.`,
              'Map them to networks of their own, or see that the guest routes right with both on one.',
            );
      }),
  },
  {
    id: 'nic.none',
    title: 'The VM has no network card.',
    severity: 'info',
    basis: 'Default probes ask what answered at the source; over no network nothing did.',
    check: ({ vm }) =>
      vm.nics.length > 0
        ? []
        : [
            info(
              'The VM has no network card: nobody can ask it over a network whether it works.',
              'Name a probe of the kind agent or console under probes.',
            ),
          ],
  },
  {
    id: 'nic.mac-missing',
    title: 'A network card has no address, or one that no single card can have.',
    severity: 'blocking',
    basis:
      'IEEE 802-2014, clause 8: the lowest bit of the first byte marks a group; libvirt 9.0 refuses those (tried).',
    check: ({ vm }) =>
      vm.nics
        .filter(({ mac }) => !UNICAST_MAC.test(mac) || mac === NO_MAC)
        .map(({ mac, network }) => {
          const what = mac === '' ? 'has no address' : `has the address ${quoted(mac)}, which is none of a single card`;
          return blocking(
            `The network card on ${quoted(network)} ${what}.`,
            'Give it a MAC address at the source: guests tell their cards, and DHCP servers their clients, by it.',
          );
        }),
  },
  {
    id: 'nic.mac-repeated',
    title: 'Two network cards of the VM have the same address.',
    severity: 'warning',
    basis: 'IEEE 802-2014, clause 8: an address names one station of a network.',
    check: ({ vm }) =>
      repeated(vm.nics.map(({ mac }) => mac.toLowerCase()).filter(Boolean)).map((mac) =>
        warning(
          `Several network cards of the VM have the address ${mac}.`,
          'Give each its own, unless they are on networks that never meet.',
        ),
      ),
  },
];

function sourceNetworks({ vm }: Facts): string[] {
  return [...new Set(vm.nics.map(({ network }) => network))];
}

function known({ target }: Facts): string[] {
  return target.networks.map(({ name }) => name);
}

function mapIt(facts: Facts): string {
  return `Map it under networks in the request. Networks there: ${known(facts).join(', ') || 'none'}.`;
}
