import assert from 'node:assert/strict';
import test from 'node:test';
import type { Appliance } from '../../../src/guest/appliance.js';
import { bootsOf } from '../../../src/guest/inspect/boot-loader.js';
import { unifiedIn } from '../../../src/guest/inspect/system-partition.js';

/** Which firmware finds something to start, by what lies on a system partition. libguestfs itself is tried in inspect.test.ts. */

const empty = { devices: new Map([['a', '/dev/sda']]), bytes: () => Promise.resolve(Buffer.alloc(512)) };

async function boots(folders: Record<string, string[]>): Promise<unknown[]> {
  const all = Object.entries(folders).map(([path, files]) => ({ path, files }));
  const found = [{ device: '/dev/sda1', folders: all }];
  const { bios, uefi, uefiFallback } = await bootsOf(empty as unknown as Appliance, { found, unread: [] });
  return [bios, uefi, uefiFallback, unifiedIn(found[0]!)];
}

test('rEFInd, unified kernel images and kernels by themselves are started by UEFI, where its variables name them', async () => {
  assert.deepEqual(await boots({ '/': ['EFI'], '/EFI/refind': ['refind_x64.efi'] }), [false, true, false, []]);
  const unified = { '/': ['EFI', 'loader'], '/EFI/Linux': ['Arch-6.9.EFI', 'x.efi.extra.d'] };
  assert.deepEqual(await boots(unified), [false, true, false, ['Arch-6.9.EFI']]);
  assert.deepEqual(await boots({ '/': ['vmlinuz-linux', 'initramfs-linux.img'] }), [false, true, false, []]);
  assert.deepEqual(await boots({ '/': ['EFI', 'vmlinuz'], '/EFI/Boot': ['bootx64.efi'] }), [false, true, true, []]);
  assert.deepEqual(await boots({ '/': ['EFI', 'grub'], '/EFI/debian': ['grub.cfg'] }), [false, false, false, []]);
});
