import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalHost } from '../../src/exec/local.js';

let tried: Promise<'kvm' | 'qemu'> | undefined;

/**
 * What a domain's type has to be here: KVM where the user that QEMU runs as can run a guest with it. That QEMU starts
 * says nothing: a guest may still never execute an instruction.
 */
export function accelerator(): Promise<'kvm' | 'qemu'> {
  tried ??= tryKvm();
  return tried;
}

/** mov al, 0x10; out 0xf4, al; hlt: the device at this port ends QEMU with exit status 2 * value + 1. */
const PROGRAM = [0xb0, 0x10, 0xe6, 0xf4, 0xf4];
const PASSED = 2 * 0x10 + 1;

async function tryKvm(): Promise<'kvm' | 'qemu'> {
  const directory = await mkdtemp('/var/tmp/vmferry-kvm-');
  try {
    const disk = join(directory, 'disk');
    const sector = Buffer.alloc(512);
    sector.set(PROGRAM);
    sector.writeUInt16LE(0xaa55, 510);
    await writeFile(disk, sector);
    await chmod(directory, 0o755);
    const user = ['--reuid', 'libvirt-qemu', '--regid', 'libvirt-qemu', '--init-groups', '--'];
    const devices = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-drive', `file=${disk},format=raw,snapshot=on`];
    const machine = ['-machine', 'pc,accel=kvm', '-nodefaults', '-display', 'none', '-m', '16'];
    await new LocalHost().run('setpriv', [...user, 'qemu-system-x86_64', ...machine, ...devices], {
      timeoutMs: 5_000,
      okExitCodes: [PASSED],
    });
    return 'kvm';
  } catch {
    return 'qemu';
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
