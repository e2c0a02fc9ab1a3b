import { VmferryError } from '../../errors.js';
import type { Probe } from '../../request/probe.js';
import type { LibvirtConnection } from './connect.js';
import { consoleText } from './evidence.js';
import { agentAnswers, guestAddresses } from './guest.js';
import { tcpConnects, tcpExchange } from './site-net.js';

/** One try of one probe, from the site. */

export interface ProbeAnswer {
  passed: boolean;
  detail: string;
}

const BODY_BYTES = 1024 * 1024;

export async function probe(
  at: LibvirtConnection,
  vm: string,
  wanted: Probe,
  signal?: AbortSignal,
): Promise<ProbeAnswer> {
  const uuid = await at.virsh.uuid(vm, signal);
  switch (wanted.kind) {
    case 'agent': {
      const passed = await agentAnswers(at, uuid, signal);
      return { passed, detail: passed ? 'the guest agent answers' : 'the guest agent does not answer' };
    }
    case 'console': {
      const text = await consoleText(at, vm, signal);
      if (text === null) return { passed: false, detail: 'nothing records the serial console' };
      const passed = text.includes(wanted.contains);
      return { passed, detail: passed ? 'the console shows the text' : 'the console does not show the text' };
    }
    case 'tcp':
      return firstThatPasses(await addressesFor(at, uuid, wanted.address, signal), (address) =>
        tcpConnects(at.host, address, wanted.port, signal),
      );
    case 'http': {
      if (wanted.url !== undefined) return http(at, new URL(wanted.url), wanted, signal);
      return firstThatPasses(await addressesFor(at, uuid, undefined, signal), (address) =>
        http(at, new URL(`http://${address.includes(':') ? `[${address}]` : address}:80/`), wanted, signal),
      );
    }
  }
}

async function addressesFor(at: LibvirtConnection, uuid: string, given: string | undefined, signal?: AbortSignal) {
  return given === undefined ? guestAddresses(at, uuid, await agentAnswers(at, uuid, signal), signal) : [given];
}

async function firstThatPasses(
  addresses: string[],
  attempt: (address: string) => Promise<ProbeAnswer>,
): Promise<ProbeAnswer> {
  let answer: ProbeAnswer = { passed: false, detail: 'no address of the guest is known yet' };
  for (const address of addresses) {
    answer = await attempt(address);
    if (answer.passed) break;
  }
  return answer;
}

type HttpProbe = Extract<Probe, { kind: 'http' }>;

async function http(at: LibvirtConnection, url: URL, wanted: HttpProbe, signal?: AbortSignal): Promise<ProbeAnswer> {
  let answer: string;
  try {
    answer = url.protocol === 'https:' ? await byCurl(at, url, signal) : await plain(at, url, signal);
  } catch (error) {
    if (error instanceof VmferryError && error.code === 'Cancelled') throw error;
    return { passed: false, detail: `${url.href}: ${error instanceof Error ? error.message : String(error)}` };
  }
  const status = Number(/^HTTP\/\d(?:\.\d)? (\d{3})/.exec(answer)?.[1] ?? 0);
  if (status === 0) return { passed: false, detail: `${url.href}: no HTTP answer` };
  if (status !== wanted.status) return { passed: false, detail: `${url.href}: status ${status}, not ${wanted.status}` };
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  if (wanted.contains !== undefined && !body.includes(wanted.contains)) {
    return { passed: false, detail: `${url.href}: status ${status}, but the text is not in its body` };
  }
  return { passed: true, detail: `${url.href}: status ${status}` };
}

/** HTTP/1.0 (RFC 1945), so that the answer is neither chunked nor kept open. */
async function plain(at: LibvirtConnection, url: URL, signal?: AbortSignal): Promise<string> {
  const to = { address: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || 80) };
  const lines = [`GET ${url.pathname}${url.search} HTTP/1.0`, `Host: ${url.host}`, 'User-Agent: vmferry', '', ''];
  return (await tcpExchange(at.host, to, lines.join('\r\n'), BODY_BYTES, signal)).toString('utf8');
}

/** TLS needs the site's curl. Certificates are not checked: the question is whether the service answers. */
async function byCurl(at: LibvirtConnection, url: URL, signal?: AbortSignal): Promise<string> {
  const args = ['-sS', '-i', '-k', '--http1.1', '--max-time', '10', '--url', url.href];
  return (await at.host.run('curl', args, { signal, timeoutMs: 20_000 })).stdout;
}
