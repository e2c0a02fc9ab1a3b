import type { LibvirtSiteConfig } from '../../config.js';
import { VmferryError } from '../../errors.js';
import type { Host } from '../../exec/host.js';
import { LocalHost } from '../../exec/local.js';
import { SshHost } from '../../exec/ssh.js';
import { Virsh } from './virsh.js';

/** A libvirt site: where its commands run, and the one way to its virsh. Shared by the source's and the target's part. */
export interface LibvirtConnection {
  readonly site: string;
  readonly config: LibvirtSiteConfig;
  readonly host: Host;
  readonly virsh: Virsh;
}

/** The host that a libvirt URI names, and the URI to be used there. */
export interface LibvirtPlace {
  host: Host;
  /** As given to `virsh -c` on that host. */
  uri: string;
}

export function connectLibvirt(site: string, config: LibvirtSiteConfig): LibvirtConnection {
  const { host, uri } = placeOf(config.uri);
  return { site, config, host, virsh: new Virsh(host, uri) };
}

const SSH_PARAMETERS = ['keyfile', 'known_hosts', 'socket'];

/**
 * Reads a connection URI (libvirt.org/uri.html). With `qemu+ssh`, virsh itself runs on the remote machine, so that one
 * ssh connection carries all; `socket` is then the path of libvirt's socket over there.
 * @throws VmferryError `InvalidConfig`.
 */
export function placeOf(uri: string): LibvirtPlace {
  let url: URL;
  try {
    url = new URL(uri);
  } catch (cause) {
    throw wrongUri(uri, 'it is not a URI', cause);
  }
  if (url.password) throw wrongUri(url.protocol, 'it must not hold a password; use a key');
  if (url.protocol !== 'qemu+ssh:') {
    if (url.hostname) throw wrongUri(uri, 'a machine is named, but the transport is not ssh');
    return { host: new LocalHost(), uri };
  }
  if (!url.hostname) throw wrongUri(uri, 'no machine is named');
  const unknown = [...url.searchParams.keys()].filter((name) => !SSH_PARAMETERS.includes(name));
  if (unknown.length > 0) {
    throw wrongUri(uri, `${unknown.join(', ')} is not understood here (known: ${SSH_PARAMETERS.join(', ')})`);
  }
  const keyFile = url.searchParams.get('keyfile');
  const knownHostsFile = url.searchParams.get('known_hosts');
  const socket = url.searchParams.get('socket');
  const host = new SshHost({
    machine: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(url.username ? { user: decodeURIComponent(url.username) } : {}),
    ...(url.port ? { port: Number(url.port) } : {}),
    ...(keyFile ? { keyFile } : {}),
    ...(knownHostsFile ? { knownHostsFile } : {}),
  });
  const path = url.pathname || '/system';
  return { host, uri: socket ? `qemu+unix://${path}?socket=${encodeURIComponent(socket)}` : `qemu://${path}` };
}

function wrongUri(uri: string, why: string, cause?: unknown): VmferryError {
  return new VmferryError('InvalidConfig', `cannot use the libvirt URI ${uri}: ${why}`, {
    platform: 'libvirt',
    remedy: 'Write qemu:///system, qemu+unix:///system?socket=PATH or qemu+ssh://user@machine/system.',
    cause,
  });
}
