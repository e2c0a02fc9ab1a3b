import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';
import { Terminal } from '../../lab/terminal.js';

/** A terminal of which a test sees what is printed and types what is read. */
function pretended() {
  const [input, output] = [0, 1].map(() => Object.assign(new PassThrough(), { isTTY: true }));
  let text = '';
  output!.setEncoding('utf8').on('data', (more: string) => (text += more));
  return {
    terminal: new Terminal(input, output),
    type: (line: string) => input!.write(`${line}\r`),
    /** What was printed since the last time. */
    printed: async () => {
      await sleep(20);
      const now = text;
      text = '';
      return now;
    },
  };
}

test('a question stays below what is printed, and is gone with whoever wants no more', async () => {
  const { terminal, printed } = pretended();
  const stop = new AbortController();
  const answer = terminal.ask('Well? ', ['yes', 'no'], stop.signal);
  await printed();
  terminal.say('news');
  assert.match(await printed(), /news\n[^\n]*Well\? /);
  stop.abort(new Error('interrupted'));
  terminal.say('Stopping');
  await assert.rejects(answer);
  const rest = await printed();
  assert.match(rest, /Stopping\n$/);
  assert.doesNotMatch(rest, /Well/);
});

test('a question is asked again until it is answered by one of the answers or its beginning', async () => {
  const { terminal, type, printed } = pretended();
  const answer = terminal.ask('Well? ', ['yes', 'no'], new AbortController().signal);
  for (const word of ['', 'abort', 'yess', 'N']) {
    await printed();
    type(word);
  }
  assert.equal(await answer, 'no');
});
