/** What the commands of a network configuration make: `ip link add link eth0 name office type vlan id 10`. */

export interface Made {
  name: string;
  /** The card that it is made on; empty where none is named. */
  on: string;
}

/** Options of ip-link(8) and ip-tunnel(8) that come before the name and take a word. */
const WITH_WORD = new Set('address broadcast index mode mtu numrxqueues numtxqueues txqueuelen'.split(' '));

/** `words` of a shell command, or several; `$IFACE` in it is `stanza` (interfaces(5)). */
export function madeBy(words: readonly string[], stanza: string): Made[] {
  const text = words.join(' ').slice(0, 4096).replace(/["']/g, '');
  const commands = text.replace(/\$(\{IFACE\}|IFACE\b)/g, () => stanza).split(/[;&|(){}]+/);
  return commands.flatMap((each) =>
    madeByOne(each.split(/\s+/).filter((word) => word !== '' && !word.startsWith('-'))),
  );
}

function madeByOne([program = '', object = '', action = '', ...rest]: string[]): Made[] {
  const named = program.slice(program.lastIndexOf('/') + 1);
  if (named === 'brctl' && object === 'addbr') return [{ name: action, on: '' }];
  if (named === 'ovs-vsctl' && object === 'add-br') return [{ name: action, on: '' }];
  if (named !== 'ip' || !/^(l|li|link|tunnel|tuntap)$/.test(object) || !/^(a|ad|add)$/.test(action)) return [];
  let on = '';
  for (let at = 0; at < rest.length; at += 1) {
    const word = rest[at] ?? '';
    const next = rest[at + 1] ?? '';
    if (word === 'type') break;
    if (word === 'name' || word === 'dev') return [{ name: next, on }];
    if (word === 'link') on = next;
    else if (!WITH_WORD.has(word)) return [{ name: word, on }];
    at += 1;
  }
  return [];
}
