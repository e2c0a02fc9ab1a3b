import { libvirtSiteOf, siteOf, type VmferryConfig } from '../config.js';
import { formatBytes } from '../model/format.js';
import { apparmorState } from '../platforms/libvirt/apparmor.js';
import { connectLibvirt, placeOf } from '../platforms/libvirt/connect.js';
import { filesChecks } from './doctor-files.js';
import { checked, good, type Check } from './doctor.js';
import { withSite } from './sites.js';

/** Programs that a libvirt site needs, and how each tells its version. */
const TOOLS = [
  ['virsh', ['--version'], 'libvirt-clients'],
  ['qemu-img', ['--version'], 'qemu-utils'],
  ['qemu-nbd', ['--version'], 'qemu-utils'],
] as const;

const TOOL_TIMEOUT_MS = 15_000;
/** Less free room than this is worth a word. */
const LITTLE_BYTES = 5 * 2 ** 30;

/** Reachability, tools, room and abilities of one site. */
export async function siteChecks(config: VmferryConfig, name: string, signal: AbortSignal): Promise<Check[]> {
  const site = siteOf(config, name);
  if (site.platform === 'files') return await filesChecks(name, site, signal);
  const checks: Check[] = [];
  await tools(checks, config, name, signal);
  if (checks.some((check) => check.result === 'bad')) return checks;
  await checked(checks, name, 'site', () =>
    withSite(config, name, async (site) => {
      const vms = await site.inventory(signal);
      const running = vms.filter((vm) => vm.state === 'running').length;
      checks.push(good(name, 'libvirt', `${vms.length} VMs, ${running} running`));
      const facts = await site.targetFacts([], signal);
      for (const { name: storage, path, freeBytes } of facts.storages) {
        const found = `${storage} (${path}): ${formatBytes(freeBytes)} free`;
        if (freeBytes >= LITTLE_BYTES) checks.push(good(name, 'storage', found));
        else
          checks.push({
            where: name,
            what: 'storage',
            result: 'note',
            found,
            remedy: 'Make room before a VM comes here.',
          });
      }
      await apparmor(checks, config, name, signal);
      const networks = facts.networks.map((each) => each.name).join(', ') || 'none';
      checks.push(good(name, 'networks', networks));
      checks.push(
        facts.accelerator === 'kvm'
          ? good(name, 'accelerator', 'kvm')
          : {
              where: name,
              what: 'accelerator',
              result: 'note',
              found: 'no working KVM: guests run emulated, slowly',
              remedy: null,
            },
      );
    }),
  );
  return checks;
}

/** Whether QEMU may do at this site what backup jobs need. */
async function apparmor(checks: Check[], config: VmferryConfig, name: string, signal: AbortSignal): Promise<void> {
  const at = connectLibvirt(name, libvirtSiteOf(config, name));
  try {
    const state = await checked(checks, name, 'apparmor', () => apparmorState(at, signal));
    if (!state?.confined) return;
    const found = state.backupsAllowed
      ? `VMs are confined; ${at.config.scratchDir} is allowed`
      : `VMs are confined, and nothing allows them ${at.config.scratchDir}: backup jobs will fail`;
    checks.push({ where: name, what: 'apparmor', result: state.remedy ? 'note' : 'good', found, remedy: state.remedy });
  } finally {
    await at.host.close();
  }
}

async function tools(checks: Check[], config: VmferryConfig, name: string, signal: AbortSignal): Promise<void> {
  const place = await checked(checks, name, 'address', () => Promise.resolve(placeOf(libvirtSiteOf(config, name).uri)));
  if (!place) return;
  try {
    for (const [tool, args, debian] of TOOLS) {
      const before = checks.length;
      const version = await checked(checks, name, tool, async () => {
        const { stdout } = await place.host.run(tool, args, { timeoutMs: TOOL_TIMEOUT_MS, signal });
        return /\d+\.\d+[.\d]*/.exec(stdout)?.[0] ?? stdout.trim();
      });
      if (version !== null) checks.push(good(name, tool, version));
      const failure = checks[before];
      if (failure?.result === 'bad') failure.remedy ??= `Install it at ${place.host.name}: apt-get install ${debian}`;
      // A machine that is not reached is said once.
      if (failure?.result === 'bad' && /cannot reach/.test(failure.found)) return;
    }
  } finally {
    await place.host.close();
  }
}
