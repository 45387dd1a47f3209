import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { formatCheckpoint, openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.ts';
import { leafHash } from './merkle-tree.ts';
import { formatNote, noteSigner, noteVerifier } from './signed-note.ts';

const key = noteSigner('example.com/log', generateKeyPairSync('ed25519').privateKey);
const verifier = noteVerifier(key.verifierKey);
const root = leafHash('a');

test('the body of the specification’s example is read and written alike', () => {
  const text = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';

  expect(formatCheckpoint(parseCheckpoint(text))).toBe(text);
  expect(parseCheckpoint(`${text}an extension\n`).size).toBe(20_852_163);
});

test('a signed checkpoint opens', () => {
  expect(openCheckpoint(signCheckpoint({ origin: key.name, size: 7, root }, key), verifier)).toEqual({ origin: key.name, size: 7, root });
});

test('a checkpoint of another log does not open, even when our key signed it', () => {
  const text = formatCheckpoint({ origin: 'example.com/other', size: 7, root });

  expect(openCheckpoint(formatNote({ text, signatures: [key.sign(text)] }), verifier)).toBeUndefined();
});

test.each([
  ['example.com/log\n7\n', 'root hash'],
  ['example.com/log\n07\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n', 'tree size'],
  ['example.com/log\n-7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n', 'tree size'],
  ['example.com/log\n9999999999999999\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n', 'tree size'],
  ['example.com/log\n7\nCsUY\n', 'root hash'],
  ['\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n', 'non-empty lines'],
  ['example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\nx\n', 'non-empty lines'],
  ['example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=', 'non-empty lines'],
])('a malformed checkpoint is refused: %j', (text, reason) => {
  expect(() => parseCheckpoint(text)).toThrow(reason);
});
