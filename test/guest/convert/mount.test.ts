import assert from 'node:assert/strict';
import test from 'node:test';
import type { Word } from '../../../src/guest/guestfish-words.js';
import { mountForWriting } from '../../../src/guest/convert/mount.js';
import type { InspectedGuest } from '../../../src/model/guest.js';

/** File systems that an inspection mounted; an appliance that mounts all for writing but some. */
async function mount(places: string[], refused: string[]) {
  const rest = { type: 'ext4', label: null, uuid: null };
  const room = { sizeBytes: null, freeBytes: null, inodes: null, freeInodes: null };
  const filesystems: InspectedGuest['filesystems'] = places.map((mountpoint, index) => {
    return { device: `/dev/sda${index + 1}`, mountpoint, ...rest, ...room };
  });
  const mounted: string[] = [];
  const maybe = ([, , place = '']: readonly [string, ...Word[]]) => {
    if (refused.includes(String(place))) return Promise.resolve(null);
    mounted.push(String(place));
    return Promise.resolve('');
  };
  return { findings: await mountForWriting({ maybe }, { filesystems }), mounted };
}

test('what cannot be mounted for writing is said, and without the root nothing is converted', async () => {
  assert.deepEqual(await mount(['/boot', '/'], []), { findings: [], mounted: ['/', '/boot'] });
  const { findings, mounted } = await mount(['/boot', '/'], ['/boot']);
  assert.deepEqual(mounted, ['/']);
  assert.deepEqual(
    findings.map(({ id, message }) => `${id}: ${message}`),
    [
      'guest.config-unreadable: What the guest has at /boot is left as it is: its file system cannot be mounted for writing.',
    ],
  );
  await assert.rejects(mount(['/boot', '/'], ['/']), { name: 'GuestUnreadable' });
  await assert.rejects(mount(['/boot'], []), { name: 'GuestUnreadable' });
});
