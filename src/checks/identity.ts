import { blocking, quoted, type Facts, type Rule } from './rule.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export const identityRules: Rule[] = [
  {
    id: 'vm.name-in-use',
    title: 'The target has a VM of that name.',
    severity: 'blocking',
    basis: 'Names are unique at a site (libvirt.org/formatdomain.html, name).',
    check: (facts) =>
      others(facts).some(({ name }) => name === facts.targetName)
        ? [
            blocking(
              `The target has a VM named ${quoted(facts.targetName)} already.`,
              'Rename or remove that VM, or give the request another targetName.',
            ),
          ]
        : [],
  },
  {
    id: 'vm.uuid-in-use',
    title: 'A VM of the target has the same UUID.',
    severity: 'blocking',
    basis: 'UUIDs are unique at a site (libvirt.org/formatdomain.html, uuid).',
    check: (facts) => {
      const { uuid } = facts.vm;
      const twin = others(facts).find((each) => uuid !== '' && each.uuid.toLowerCase() === uuid.toLowerCase());
      if (!twin) return [];
      const message = `The UUID ${uuid} belongs to the VM ${quoted(twin.name)} at the target.`;
      return [blocking(message, 'Undefine that VM if it is what a former move left.')];
    },
  },
  {
    id: 'nic.mac-in-use',
    title: 'A VM of the target has a network card with the same address.',
    severity: 'blocking',
    basis: 'IEEE 802-2014, clause 8: an address names one station of a network.',
    check: (facts) =>
      facts.vm.nics.flatMap(({ mac }) => {
        const user = others(facts).find(({ macs }) => macs.includes(mac.toLowerCase()));
        if (!user) return [];
        const message = `The MAC address ${mac} is used by the VM ${quoted(user.name)} at the target.`;
        return [blocking(message, 'Give one of the two another address.')];
      }),
  },
  {
    id: 'vm.name-invalid',
    title: 'The target takes no VM of that name.',
    severity: 'blocking',
    basis: "The target platform's rule for names.",
    check: ({ targetName, target: { limits } }) => {
      const { pattern, mostBytes, inWords } = limits.name;
      if (pattern.test(targetName) && Buffer.byteLength(targetName) <= mostBytes) return [];
      const message = `The target takes no VM named ${quoted(targetName)}: it takes names ${inWords}.`;
      return [blocking(message, 'Give the request another targetName.')];
    },
  },
  {
    id: 'vm.uuid-missing',
    title: 'The VM has no UUID.',
    severity: 'blocking',
    basis: 'SMBIOS 3.6, 7.2.1: all bytes 0 mean "not present"; migrations know a VM, and guests their licence, by it.',
    check: ({ vm: { uuid } }) => {
      if (UUID.test(uuid) && uuid !== NIL_UUID) return [];
      const what = uuid === '' ? 'has no UUID' : `has ${quoted(uuid)} as its UUID, which is none`;
      return [blocking(`The VM ${what}: it cannot be told from others.`, 'Give it one at the source.')];
    },
  },
];

/** VMs at the target that are not this migration's own test boot. */
function others({ target, migrationId }: Facts): Facts['target']['vms'] {
  return migrationId === null
    ? target.vms
    : target.vms.filter(({ name }) => !name.endsWith(`-rehearsal-${migrationId}`));
}
