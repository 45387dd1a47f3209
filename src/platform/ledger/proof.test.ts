import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { signCheckpoint } from './checkpoint.ts';
import { leafHash, nodeHash } from './merkle-tree.ts';
import { formatProof, openProof, parseProof, type Proof } from './proof.ts';
import { noteSigner, noteVerifier } from './signed-note.ts';

const key = noteSigner('example.com/log', generateKeyPairSync('ed25519').privateKey);
const verifier = noteVerifier(key.verifierKey);
const [a, b] = [leafHash('a'), leafHash('b')];
const checkpoint = signCheckpoint({ origin: key.name, size: 2, root: nodeHash(a, b) }, key);
const proof: Proof = { index: 1, hashes: [a], checkpoint, extra: Buffer.from('b') };

test('a receipt has the form of the specification', () => {
  const lines = formatProof(proof).split('\n');

  expect(lines.slice(0, 6)).toEqual(['c2sp.org/tlog-proof@v1', 'extra Yg==', 'index 1', a.toString('base64'), '', 'example.com/log']);
  expect(formatProof(proof).endsWith(checkpoint)).toBe(true);
});

test('a receipt is read back, with and without extra data and hashes', () => {
  const { extra: _, ...bare } = proof;
  for (const one of [proof, bare, { ...bare, hashes: [], index: 0 }]) expect(parseProof(formatProof(one))).toEqual(one);
});

test('a receipt proves its entry, and no other entry, index or log', () => {
  expect(openProof(proof, 'b', verifier)?.size).toBe(2);
  expect(openProof(proof, 'c', verifier)).toBeUndefined();
  expect(openProof({ ...proof, index: 0 }, 'b', verifier)).toBeUndefined();
  expect(openProof({ ...proof, hashes: [b] }, 'b', verifier)).toBeUndefined();
  const stranger = noteSigner(key.name, generateKeyPairSync('ed25519').privateKey);
  expect(openProof(proof, 'b', noteVerifier(stranger.verifierKey))).toBeUndefined();
});

test.each([
  ['', 'expected a proof'],
  ['c2sp.org/tlog-proof@v2\nindex 0\n\nx', 'expected a proof'],
  ['c2sp.org/tlog-proof@v1\nindex 01\n\nx', 'index N'],
  ['c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\nx', 'base64'],
  ['c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx', '32 bytes'],
  [`c2sp.org/tlog-proof@v1\nindex 0\n${'AAAA\n'.repeat(65)}\nx`, 'at most 64 hashes'],
])('a malformed receipt is refused: %j', (text, reason) => {
  expect(() => parseProof(text)).toThrow(reason);
});
