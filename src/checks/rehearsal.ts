import { blocking, warning } from '../model/finding.js';
import type { Rule } from './rule.js';

export const rehearsalRules: Rule[] = [
  {
    id: 'rehearsal.not-isolated',
    title: 'A rehearsal is wanted, and the target cannot boot a VM that reaches nobody.',
    severity: 'blocking',
    basis: "What the target's platform declares (isolatedBoot); source and target never run on one network at once.",
    boots: true,
    check: ({ request: { rehearsal }, target }) =>
      rehearsal.enabled && rehearsal.network === undefined && !target.abilities.isolatedBoot
        ? [
            blocking(
              'A rehearsal is wanted, and the target cannot boot a VM cut off from all networks.',
              'Set rehearsal.enabled to false, or name a network that leads nowhere under rehearsal.network.',
            ),
          ]
        : [],
  },
  {
    id: 'rehearsal.network-open',
    title: "The rehearsal's network leads out.",
    severity: 'warning',
    basis: 'The site was asked whether its networks are isolated; the source runs meanwhile, with the same addresses.',
    boots: true,
    check: ({ request: { rehearsal }, target }) => {
      const network = target.networks.find(({ name }) => name === rehearsal.network);
      if (!rehearsal.enabled || !network || network.isolated) return [];
      return [
        warning(
          `The rehearsal runs on "${network.name}", which is not isolated: others see the copy while the source runs.`,
          'Name one that leads nowhere, or none: it is isolated then.',
        ),
      ];
    },
  },
];
