import type { Host } from '../../exec/host.js';

/** TCP from the site itself, with nothing but bash (its /dev/tcp): guests are often reached from their host only. */

const CONNECT_SECONDS = 2;
/** Each port is tried by a process of its own: on a busy host a second was not enough to find any. */
const SCAN_SECONDS = 3;
/** Tried at once. All of them are more than a busy host can start in time. */
const SCAN_AT_ONCE = 12;

/**
 * Says on standard output which of the ports accept a connection; the list is ours and short. Where no port of the first
 * lot gives any answer, not even a refusal, nothing is there or all is dropped on the way, and no others are tried.
 */
const SCAN = `
limit=$1 address=$2 most=$3; shift 3
try() {
  timeout "$limit" bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$address" "$1" 2>/dev/null
  echo "$1 $?"
}
while [ $# -gt 0 ]; do
  answers=$(for port in "\${@:1:most}"; do try "$port" & done; wait)
  echo "$answers" | sed -n 's/ 0$//p'
  echo "$answers" | grep -qv ' 124$' || exit 0
  shift $(($# < most ? $# : most))
done`;

/** The first address of which any port answers, and which of them do; null where none does. */
export async function openPorts(
  host: Host,
  addresses: readonly string[],
  ports: readonly number[],
  signal?: AbortSignal,
): Promise<{ address: string; ports: number[] } | null> {
  for (const address of addresses) {
    const args = ['-c', SCAN, 'bash', String(SCAN_SECONDS), address, String(SCAN_AT_ONCE), ...ports.map(String)];
    const { stdout } = await host.run('bash', args, { signal });
    const open = stdout.split('\n').filter(Boolean).map(Number);
    if (open.length > 0) return { address, ports: open.sort((a, b) => a - b) };
  }
  return null;
}

/** Whether a TCP connection is accepted; else why not, in bash's words. */
export async function tcpConnects(
  host: Host,
  address: string,
  port: number,
  signal?: AbortSignal,
): Promise<{ passed: boolean; detail: string }> {
  const script = 'exec 3<>"/dev/tcp/$1/$2"';
  const args = [String(CONNECT_SECONDS), 'bash', '-c', script, 'bash', address, String(port)];
  const { exitCode, stderr } = await host.run('timeout', args, { signal, okExitCodes: [0, 1, 124] });
  const where = `${address}:${port}`;
  if (exitCode === 0) return { passed: true, detail: `${where} accepts connections` };
  const why = exitCode === 124 ? 'no answer' : (/: ([^:]*)$/.exec(stderr.trim().split('\n')[0] ?? '')?.[1] ?? 'failed');
  return { passed: false, detail: `${where}: ${why}` };
}

/** What came before a reset counts as well. */
const EXCHANGE = 'exec 3<>"/dev/tcp/$1/$2" || exit 1; cat >&3; head -c "$3" <&3 2>/dev/null; exit 0';

/** Sends bytes, and gives what came back until the other side closed, at most `limitBytes`. */
export async function tcpExchange(
  host: Host,
  to: { address: string; port: number },
  request: string,
  limitBytes: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const args = ['-c', EXCHANGE, 'bash', to.address, String(to.port), String(limitBytes)];
  return host.runBinary('timeout', ['10', 'bash', ...args], { input: request, signal, timeoutMs: 20_000 });
}
