import type { ConfigFiles } from '../config-files.js';
import { shellValues } from '../shell-assignments.js';
import type { FoundNames } from './found-names.js';

/** Profiles of Arch's netctl in /etc/netctl: netctl.profile(5), netctl(1). */

const DIR = '/etc/netctl';
const UNITS = '/etc/systemd/system/multi-user.target.wants';

export async function readNetctl(files: ConfigFiles, found: FoundNames): Promise<void> {
  const profiles = await files.all(DIR, (name) => !/^\.|~$|\.(action|conf|service|pacnew|pacsave|bak)$/.test(name));
  if (profiles.length === 0) return;
  // systemd-escape(1): `netctl@office\x2dlan.service` is of the profile `office-lan`.
  const units = (await files.list(UNITS)).map((name) =>
    name.replace(/\\x([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16))),
  );
  for (const { path, name, text } of profiles) {
    const values = shellValues(text);
    const card = values.get('Interface') ?? '';
    const mine = [`netctl@${name}.service`, `netctl-ifplugd@${card}.service`];
    const started = units.length === 0 || units.some((unit) => mine.includes(unit));
    const type = (values.get('Connection') ?? '').toLowerCase();
    if (/^(ethernet|ppp|pppoe)$/.test(type)) {
      const fixed = [values.get('IP'), values.get('IP6')].some((each) => each === 'static');
      found.use(card, path, { started, fixed, sure: true });
      continue;
    }
    found.virtual(card);
    for (const below of arrayIn(text, 'BindsToInterfaces')) found.use(below, path, { started, fixed: true });
  }
}

/** `Name=(eth0 'eth1')` or `Name=eth0`. */
function arrayIn(text: string, name: string): string[] {
  const value = new RegExp(`^[ \\t]*${name}=(\\([^)]{0,1000}\\)|[^#\\n]{0,100})`, 'm').exec(text)?.[1] ?? '';
  return value.split(/[\s()'"]+/).filter((word) => word !== '' && word !== '-');
}
