import { z } from 'zod';
import type { GuestFacts } from '../../model/vm.js';
import { askAgent } from './agent.js';
import type { LibvirtConnection } from './connect.js';
import { askFilesystems } from './guest-inside.js';
import { openPorts } from './site-net.js';

/** What a running guest answers: its agent (QEMU guest agent protocol reference), its addresses, its ports. */

const AGENT_SECONDS = 5;
/** A guest full of containers has one for each. */
const MOST_CARDS = 200;
/** Ports of services that are common enough to be looked for; first those of which nearly every machine has one. */
const COMMON_PORTS = [
  ...[22, 80, 443, 3389, 445, 135, 25, 53, 3306, 5432, 8080, 5985],
  ...[21, 110, 111, 139, 143, 389, 465, 587, 636, 993, 995, 1433, 1521, 2049, 2379, 3000, 3128, 3268, 5000, 5601],
  ...[5672, 5900, 5986, 6379, 6443, 8000, 8081, 8443, 8888, 9000, 9090, 9092, 9100, 9200, 10250, 11211, 15672, 27017],
];

const hostName = z.object({ 'host-name': z.string() });
const interfaces = z.array(
  z.object({
    name: z.string().max(64).optional(),
    'hardware-address': z.string().max(64).optional(),
    'ip-addresses': z.array(z.object({ 'ip-address': z.string() })).optional(),
  }),
);

/** The agent's answer, or null where none came that can be used. */
function answerOf<T>(
  at: LibvirtConnection,
  uuid: string,
  command: string,
  answer: z.ZodType<T>,
  signal?: AbortSignal,
): Promise<T | null> {
  return orNull(askAgent(at, { uuid, name: uuid }, command, answer, { seconds: AGENT_SECONDS, signal }), signal);
}

async function orNull<T>(asked: Promise<T>, signal?: AbortSignal): Promise<T | null> {
  try {
    return await asked;
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

export async function agentAnswers(at: LibvirtConnection, uuid: string, signal?: AbortSignal): Promise<boolean> {
  return (await answerOf(at, uuid, 'guest-ping', z.unknown(), signal)) !== null;
}

export async function guestFacts(
  at: LibvirtConnection,
  vm: string,
  signal?: AbortSignal,
  ports = true,
): Promise<GuestFacts> {
  const uuid = await at.virsh.uuid(vm, signal);
  const agent = await agentAnswers(at, uuid, signal);
  const name = agent ? await answerOf(at, uuid, 'guest-get-host-name', hostName, signal) : null;
  const cards = agent ? await agentCards(at, uuid, signal) : [];
  const mounted = agent ? await agentFilesystems(at, uuid, signal) : [];
  const addresses = await guestAddresses(at, uuid, agent, signal, cards);
  const found = ports ? await openPorts(at.host, addresses, COMMON_PORTS, signal) : null;
  // The one that answered comes first, so that later probes begin with it.
  const sorted = found ? [found.address, ...addresses.filter((each) => each !== found.address)] : addresses;
  return {
    agent,
    hostname: name?.['host-name'] ?? null,
    addresses: sorted,
    openPorts: found?.ports ?? [],
    ...(cards.length > 0 ? { nics: cards.flatMap(({ name, mac }) => (name && mac ? [{ name, mac }] : [])) } : {}),
    ...(mounted.length > 0 ? { filesystems: mounted } : {}),
  };
}

interface Card {
  name: string | undefined;
  mac: string | undefined;
  addresses: string[];
}

async function agentCards(at: LibvirtConnection, uuid: string, signal?: AbortSignal): Promise<Card[]> {
  const answer = await answerOf(at, uuid, 'guest-network-get-interfaces', interfaces, signal);
  return (answer ?? []).slice(0, MOST_CARDS).map((card) => ({
    name: card.name,
    mac: card['hardware-address'],
    addresses: card['ip-addresses']?.map((each) => each['ip-address']) ?? [],
  }));
}

async function agentFilesystems(at: LibvirtConnection, uuid: string, signal?: AbortSignal) {
  const found = await orNull(askFilesystems(at, { uuid, name: uuid }, { seconds: AGENT_SECONDS, signal }), signal);
  return (found ?? []).flatMap(({ path, type, freeBytes }) => (freeBytes === null ? [] : [{ path, type, freeBytes }]));
}

/** Addresses by which others may reach the guest: as its agent says, else as DHCP leases and the host's neighbours do. */
export async function guestAddresses(
  at: LibvirtConnection,
  uuid: string,
  agent: boolean,
  signal?: AbortSignal,
  cards?: readonly Card[],
): Promise<string[]> {
  if (agent) {
    const usable = unique((cards ?? (await agentCards(at, uuid, signal))).flatMap(({ addresses }) => addresses));
    if (usable.length > 0) return usable;
  }
  const text = await at.virsh.runOr(/./, ['domifaddr', '--domain', uuid, '--source', 'lease'], { signal });
  const leased = unique([...(text ?? '').matchAll(/\sipv[46]\s+([0-9a-fA-F.:]+)/g)].map((match) => match[1]!));
  return leased.length > 0 ? leased : await neighbours(at, uuid, signal);
}

/**
 * Addresses that the site's host has spoken to at the VM's network cards. libvirt's own look (`--source arp`) leaves out
 * entries that the kernel is just checking, so that a guest which talks all the time is not found half of the time.
 */
async function neighbours(at: LibvirtConnection, uuid: string, signal?: AbortSignal): Promise<string[]> {
  const cards = await at.virsh.runOr(/./, ['domiflist', '--domain', uuid], { signal });
  const macs = new Set(
    [...(cards ?? '').matchAll(/\s((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s*$/gim)].map((match) => match[1]),
  );
  const { stdout } = await at.host.run('ip', ['neigh', 'show'], { signal, okExitCodes: [0, 1, 2, 127] });
  const known = [...stdout.matchAll(/^(\S+) dev \S+ lladdr (\S+) (?!FAILED)/gm)];
  return unique(known.filter(([, , mac]) => macs.has(mac)).map(([, address]) => address!));
}

/** Without loopback and link-local addresses; IPv4 first, as more sites route it. */
function unique(addresses: string[]): string[] {
  const usable = addresses.filter((each) => !/^(127\.|169\.254\.|::1$|fe80:)/i.test(each) && each !== '0.0.0.0');
  return [...new Set(usable)].sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
}
