import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatNote, noteSigner, noteVerifier, openNote, parseNote } from './signed-note.ts';

/** The example of c2sp.org/signed-note. */
const exampleKey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const exampleNote = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

function signer(name = 'example.com/log') {
  return noteSigner(name, generateKeyPairSync('ed25519').privateKey);
}

test('the example of the specification opens', () => {
  expect(openNote(parseNote(exampleNote), [noteVerifier(exampleKey)])).toBe('This is an example message.\n');
});

test('a changed text, signature, name or key id does not open', () => {
  const verifier = [noteVerifier(exampleKey)];

  expect(openNote(parseNote(exampleNote.replace('an example', 'a example')), verifier)).toBeUndefined();
  expect(openNote(parseNote(exampleNote.replace('aQM=', 'aQI=')), verifier)).toBeUndefined();
  expect(openNote(parseNote(exampleNote.replace('foo Uw2', 'bar Uw2')), verifier)).toBeUndefined();
  expect(openNote(parseNote(exampleNote.replace('Uw2QOk', 'Vw2QOk')), verifier)).toBeUndefined();
});

test('what is signed opens with the signer’s own verifier key, and with no other', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll(/\p{Cc}/gu, ''))), (lines) => {
      const text = `${lines.join('\n')}\n`;
      const [ours, theirs] = [signer(), signer()];
      const note = parseNote(formatNote({ text, signatures: [ours.sign(text)] }));
      expect(openNote(note, [noteVerifier(ours.verifierKey)])).toBe(text);
      expect(openNote(note, [noteVerifier(theirs.verifierKey)])).toBeUndefined();
    }),
    { numRuns: 30 },
  );
});

test('signatures of unknown keys are ignored, so that witnesses can add theirs', () => {
  const [log, witness] = [signer(), signer('witness.example/w1')];
  const text = 'a\n';
  const note = parseNote(formatNote({ text, signatures: [witness.sign(text), log.sign(text)] }));

  expect(openNote(note, [noteVerifier(log.verifierKey)])).toBe(text);
});

test('one bad signature by a known key spoils the note, even beside a good one', () => {
  const log = signer();
  const text = 'a\n';
  const good = log.sign(text);
  const note = { text, signatures: [good, { ...good, signature: Buffer.alloc(64) }] };

  expect(openNote(note, [noteVerifier(log.verifierKey)])).toBeUndefined();
});

test('the text may have empty lines: the last one separates the signatures', () => {
  const log = signer();
  const text = 'a\n\nb\n';

  expect(openNote(parseNote(formatNote({ text, signatures: [log.sign(text)] })), [noteVerifier(log.verifierKey)])).toBe(text);
});

test.each([
  ['', 'signature lines'],
  ['text only\n', 'signature lines'],
  ['text\n\n— name\n', 'signature line'],
  ['text\n\n- name AAAAAAAA\n', 'signature line'],
  ['text\n\n— name not base64\n', 'signature line'],
  ['text\n\n— na+me AAAAAAAA\n', 'signature line'],
  ['text\n\n— name AAAA\n', 'signature line'],
  ['te\u0007xt\n\n— name AAAAAAAA\n', 'control characters'],
  ['text\r\n\n— name AAAAAAAA\n', 'control characters'],
  [`text\n\n${'— name AAAAAAAA\n'.repeat(65)}`, 'at most 64 signatures'],
  [`${'x'.repeat(300_000)}\n\n— name AAAAAAAA\n`, 'at most 262144 bytes'],
])('a malformed note is refused: %j', (note, reason) => {
  expect(() => parseNote(note)).toThrow(reason);
});

test('a verifier key must be well formed, of Ed25519, and carry its own id', () => {
  expect(() => noteVerifier('example.com/foo')).toThrow('expected a verifier key');
  expect(() => noteVerifier(exampleKey.replace('530d903a', '530d903b'))).toThrow('expected key id 530d903a');
  expect(() => noteVerifier(exampleKey.replace('+Aeky', '+Beky'))).toThrow('expected an Ed25519 verifier key, got type 5');
  expect(() => noteSigner('with space', generateKeyPairSync('ed25519').privateKey)).toThrow('expected a key name');
});
