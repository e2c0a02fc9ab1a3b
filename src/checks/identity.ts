import { blocking } from '../model/finding.js';
import { quoted, type Facts, type Rule } from './rule.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export const identityRules: Rule[] = [
  {
    id: 'vm.name-in-use',
    title: 'The target has a VM of that name.',
    severity: 'blocking',
    basis: 'Names are unique at a site (libvirt.org/formatdomain.html, name).',
    check: (facts) =>
      ownerOf(facts, 'names', facts.targetName)
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
      const twin = ownerOf(facts, 'uuids', uuid.toLowerCase());
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
        const user = ownerOf(facts, 'macs', mac.toLowerCase());
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

type TargetVms = Facts['target']['vms'];

/** Who has what at the target. Made once for all VMs that are judged against it: a site has as many as it is judged for. */
interface Owners {
  names: Map<string, TargetVms>;
  uuids: Map<string, TargetVms>;
  macs: Map<string, TargetVms>;
}
const known = new WeakMap<TargetVms, Owners>();

function ownersAt(vms: TargetVms): Owners {
  const found = known.get(vms);
  if (found) return found;
  const owners: Owners = { names: new Map(), uuids: new Map(), macs: new Map() };
  const add = (map: Map<string, TargetVms>, key: string, vm: TargetVms[number]) => {
    if (key === '') return;
    const list = map.get(key);
    if (list) list.push(vm);
    else map.set(key, [vm]);
  };
  for (const vm of vms) {
    add(owners.names, vm.name, vm);
    add(owners.uuids, vm.uuid.toLowerCase(), vm);
    for (const mac of vm.macs) add(owners.macs, mac.toLowerCase(), vm);
  }
  known.set(vms, owners);
  return owners;
}

/** The first VM at the target that has it and is not this migration's own test boot. */
function ownerOf({ target, migrationId }: Facts, what: keyof Owners, key: string): TargetVms[number] | undefined {
  const owners = ownersAt(target.vms)[what].get(key) ?? [];
  return owners.find(({ name }) => migrationId === null || !name.endsWith(`-rehearsal-${migrationId}`));
}
