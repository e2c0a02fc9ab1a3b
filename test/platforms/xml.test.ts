import assert from 'node:assert/strict';
import test from 'node:test';
import { VmferryError } from '../../src/errors.js';
import { parseXml, xml } from '../../src/platforms/xml.js';

test('elements, attributes and text are read as written, references resolved once', () => {
  const root = parseXml(
    `<?xml version='1.0'?>\n<a x='1 &amp; &#65;' y="&amp;lt;"><b>t &lt;x&gt; &#xe4;</b><c/><n:d xmlns:n='urn:x'>7</n:d><![CDATA[<z>&amp;]]><!-- no --></a>`,
  );
  assert.equal(root.get('x'), '1 & A');
  assert.equal(root.get('y'), '&lt;');
  assert.equal(root.text('b'), 't <x> ä');
  assert.equal(root.text('c'), '');
  assert.equal(root.text('missing'), null);
  assert.equal(root.at('n:d')?.get('xmlns:n'), 'urn:x');
  assert.equal(root.text(), '<z>&amp;');
});

test('numbers stay text, so that no serial or name is changed', () => {
  const root = parseXml('<a serial="007"><b>1e5</b><b>0x10</b></a>');
  assert.equal(root.get('serial'), '007');
  assert.deepEqual(
    root.all('b').map((each) => each.text()),
    ['1e5', '0x10'],
  );
});

test('what is written is read back the same, whatever it holds', () => {
  const nasty = `"><script>&amp;'\n\t]]>`;
  const text = xml('a', { k: nasty, none: null }, xml('b', {}, nasty), null, 5).toString();
  const root = parseXml(text);
  assert.equal(root.get('k'), nasty);
  assert.equal(root.get('none'), null);
  assert.equal(root.at('b')?.content[0], nasty);
});

test('a control character cannot be written', () => {
  assert.throws(() => xml('a', {}, 'x\u0000y').toString(), VmferryError);
});

for (const [what, text] of Object.entries({
  'a document type': '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
  'entities of its own': '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
  'an unknown entity': '<a>&x;</a>',
  'an impossible character': '<a>&#x110000;</a>',
  'a bomb of entities': '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
  'an element left open': '<a><b></a>',
  'two roots': '<a/><b/>',
  'nothing at all': '',
  'too much of it': `<a>${'x'.repeat(5 * 1024 * 1024)}</a>`,
  'nesting without end': `${'<a>'.repeat(2000)}${'</a>'.repeat(2000)}`,
  'a name that objects inherit': '<__proto__><x/></__proto__><a/>',
})) {
  test(`XML with ${what} is refused`, () => {
    assert.throws(
      () => parseXml(text),
      (error) => error instanceof VmferryError && error.code === 'HostileInput',
    );
  });
}

test('a document with more elements or attributes than any has is refused before a tree is made of it', () => {
  const started = Date.now();
  for (const [text, why] of [
    [`<a>${'<b/>'.repeat(900_000)}</a>`, /more than 100000 elements/],
    [`<a ${Array.from({ length: 200_000 }, (_, at) => `b${at}=""`).join(' ')}/>`, /more than 100000 attributes/],
    [`<a>${"<b c ='' d=''/>".repeat(50_001)}</a>`, /more than 100000 attributes/],
  ] as const) {
    assert.throws(() => parseXml(text), { code: 'HostileInput', message: why });
  }
  // Read as trees, they took half a gigabyte each.
  assert.ok(Date.now() - started < 5_000);
  assert.equal(parseXml(`<a>${'<b c="1"/>'.repeat(20_000)}</a>`).all('b').length, 20_000);
});
