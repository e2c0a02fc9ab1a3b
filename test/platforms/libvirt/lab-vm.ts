import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLabHost, type LabHost } from '../../../lab/host/lab-host.js';

/** A lab host for tests of the libvirt adapter, and VMs on it that need no guest system: QEMU writes for them. */

export async function startTestHost(name: string): Promise<LabHost> {
  const base = await mkdtemp(join(tmpdir(), 'vmferry-lv-'));
  // QEMU's user has to enter it.
  await chmod(base, 0o755);
  const host = await startLabHost({ name, directory: join(base, 'host') });
  const stop = async () => {
    await host.stop();
    await rm(base, { recursive: true, force: true });
  };
  return { ...host, stop };
}

export interface TestDisk {
  id: string;
  format: 'qcow2' | 'raw';
  sizeMib: number;
  /** Options of `qemu-img create -o`. */
  options?: string;
}

export function diskPath(host: LabHost, vm: string, disk: TestDisk): string {
  return join(host.images, `${vm}-${disk.id}.${disk.format}`);
}

/** Defines a VM with empty disks. It stays off. */
export async function defineVm(host: LabHost, vm: string, disks: readonly TestDisk[], extra = ''): Promise<void> {
  const elements: string[] = [];
  for (const disk of disks) {
    const path = diskPath(host, vm, disk);
    const options = disk.options ? ['-o', disk.options] : [];
    await host.host.run('qemu-img', ['create', '-q', '-f', disk.format, ...options, path, `${disk.sizeMib}M`]);
    elements.push(
      `<disk type='file' device='disk'><driver name='qemu' type='${disk.format}'/><source file='${escaped(path)}'/><target dev='${disk.id}' bus='virtio'/></disk>`,
    );
  }
  const xml = `<domain type='qemu'><name>${escaped(vm)}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os>
    <devices>${elements.join('')}<video><model type='vga'/></video>${extra}</devices></domain>`;
  await host.host.run('virsh', ['-q', '-c', 'qemu:///system', 'define', '/dev/stdin'], { input: xml });
}

function escaped(text: string): string {
  return text.replace(/[&<>'"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

export async function virsh(host: LabHost, ...args: string[]): Promise<string> {
  return (await host.host.run('virsh', ['-q', '-c', 'qemu:///system', ...args])).stdout;
}

/** Starts it without running its processor: writes come from `write` alone. */
export async function startPaused(host: LabHost, vm: string): Promise<void> {
  await virsh(host, 'start', '--paused', '--domain', vm);
}

/** Writes as the guest would, through QEMU's own block layer, so that bitmaps see it. */
export async function write(host: LabHost, vm: string, disk: number, offset: string, bytes: string, pattern: number) {
  const command = `qemu-io -d /machine/peripheral/virtio-disk${disk}/virtio-backend "write -P ${pattern} ${offset} ${bytes}"`;
  const said = await virsh(host, 'qemu-monitor-command', '--hmp', '--domain', vm, command);
  // QEMU says nothing here where all is well.
  if (said.trim() !== '') throw new Error(`qemu-io: ${said}`);
}

/** Ends a VM and all that belongs to it. */
export async function removeVm(host: LabHost, vm: string): Promise<void> {
  const script = `
    virsh -q destroy --domain "$1" 2>/dev/null
    for c in $(virsh -q checkpoint-list --domain "$1" --name 2>/dev/null); do virsh -q checkpoint-delete --domain "$1" --checkpointname "$c" --metadata; done
    virsh -q undefine --domain "$1" --nvram --managed-save 2>/dev/null
    rm -f "$2/$1"-*; exit 0`;
  await host.host.run('sh', ['-c', script, 'sh', vm, host.images]);
}
