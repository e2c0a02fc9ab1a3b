import { VmferryError } from '../../errors.js';
import type { LibvirtConnection } from './connect.js';
import { setMark } from './marks.js';
import { runState, setAutostart } from './power.js';

export const MOVED_URI = 'urn:vmferry:moved';

/** Keeps a VM that has moved stopped, and says so where people look: in its metadata and its description. */
export async function retire(at: LibvirtConnection, vm: string, note: string, signal?: AbortSignal): Promise<void> {
  const state = await runState(at, vm, signal);
  if (state?.instance != null) {
    throw new VmferryError('Unsafe', `cannot retire ${vm}: it runs`, {
      platform: 'libvirt',
      remedy: 'Stop it; its copy at the target may be running as well.',
    });
  }
  const uuid = await at.virsh.uuid(vm, signal);
  if (state?.autostart) await setAutostart(at, vm, false, signal);
  await setMark(at, uuid, MOVED_URI, 'moved', { note, at: new Date().toISOString() }, signal);
  const said = await at.virsh.run(['desc', '--domain', uuid, '--config'], { signal });
  const line = `[vmferry] ${note}`;
  if (said.includes(line)) return;
  const before = /^No description for domain/.test(said) ? '' : said.trim();
  // virsh joins the words that it is given, and an option cannot be taken for one after `--new-desc=`.
  await at.virsh.run(
    ['desc', '--domain', uuid, '--config', `--new-desc=${[before, line].filter(Boolean).join('\n')}`],
    {
      signal,
    },
  );
}
