import { z } from 'zod';
import { VmferryError } from '../../errors.js';
import { stderrOf } from '../../exec/host.js';
import { allowInAgent } from '../../model/guest-inside.js';
import type { LibvirtConnection } from './connect.js';

/** One question to a guest's agent (QEMU Guest Agent Protocol Reference), through libvirt. */

/** Of a guest that is busy, too. */
const PATIENT_SECONDS = 20;
const NOT_THERE =
  /agent is not (connected|responding|available|configured)|agent.*not configured|domain is not running/i;
/** As its versions word it: commands that the guest's settings block, that a freeze blocks, that it does not know. */
const BLOCKED = /has been disabled|has not been found|is not allowed/i;

/**
 * @param name of the VM, for messages.
 * @throws VmferryError `GuestUnwilling` where no agent answers or the guest blocks that command, else as `Virsh.run`.
 */
export async function askAgent<T>(
  at: LibvirtConnection,
  { uuid, name }: { uuid: string; name: string },
  execute: string,
  answer: z.ZodType<T>,
  given: { arguments?: Record<string, unknown>; seconds?: number; signal?: AbortSignal | undefined } = {},
): Promise<T> {
  const command = JSON.stringify({ execute, ...(given.arguments ? { arguments: given.arguments } : {}) });
  const seconds = given.seconds ?? PATIENT_SECONDS;
  const args = ['qemu-agent-command', '--domain', uuid, '--timeout', String(seconds), command];
  let text: string;
  try {
    text = await at.virsh.run(args, { signal: given.signal, timeoutMs: (seconds + 40) * 1_000 });
  } catch (error) {
    throw explained(error, name, execute);
  }
  try {
    return z.object({ return: answer }).parse(JSON.parse(text)).return;
  } catch (cause) {
    throw unwilling(`cannot read what the guest agent of ${name} answers to ${execute}`, undefined, cause);
  }
}

/** Whether an error says that nobody answered, now. */
export function nobodyAnswers(error: unknown): boolean {
  return error instanceof VmferryError && error.details['agent'] === 'silent';
}

function explained(error: unknown, name: string, execute: string): unknown {
  const said = stderrOf(error)
    .trim()
    .replace(/^error: /gm, '');
  if (NOT_THERE.test(said) || (error instanceof VmferryError && error.code === 'Timeout')) {
    const what = `cannot ask the guest agent of ${name}: ${said.split('\n').pop() || 'it does not answer'}`;
    return unwilling(what, 'Install and start the QEMU guest agent in the guest.', error, { agent: 'silent' });
  }
  if (BLOCKED.test(said)) {
    return unwilling(
      `cannot have ${execute} done in ${name}: its guest agent does not allow it`,
      allowInAgent(execute),
      error,
    );
  }
  if (error instanceof VmferryError && error.code === 'ToolFailed' && said !== '')
    return unwilling(`cannot have ${execute} done in ${name}: ${said.split('\n').pop()}`, undefined, error);
  return error;
}

export function unwilling(
  what: string,
  remedy?: string,
  cause?: unknown,
  details: Record<string, unknown> = {},
): VmferryError {
  const parts = { platform: 'libvirt', cause, details, ...(remedy === undefined ? {} : { remedy }) };
  return new VmferryError('GuestUnwilling', what, parts);
}
