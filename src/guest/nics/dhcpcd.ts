import type { ConfigFiles } from '../config-files.js';
import type { FoundNames } from './found-names.js';

/** Fixed addresses in /etc/dhcpcd.conf: dhcpcd.conf(5). Without one, the card is asked for whatever it is called. */

const PATH = '/etc/dhcpcd.conf';

export async function readDhcpcd(files: ConfigFiles, found: FoundNames): Promise<void> {
  let card = '';
  for (const line of ((await files.read(PATH)) ?? '').split('\n')) {
    const [keyword = '', value = ''] = line.trim().split(/\s+/);
    if (keyword === 'interface') card = value;
    else if (/^(profile|ssid|arping)$/.test(keyword)) card = '';
    const fixed = (keyword === 'static' && /^ip6?_address=./.test(value)) || (keyword === 'inform' && value !== '');
    if (fixed) found.use(card, PATH, { fixed: true });
  }
}
