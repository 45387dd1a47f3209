import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { findVerifierKey, loadLedgerKey } from './ledger-key.ts';

const folders: string[] = [];
let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tidegate-key-'));
  folders.push(home);
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

test('the key is made once, readable by its owner alone, and found again', async () => {
  expect(await findVerifierKey({ home })).toBeUndefined();
  const made = await loadLedgerKey({ home });

  expect((await stat(join(home, 'keys', 'ledger.key'))).mode & 0o777).toBe(0o600);
  expect((await stat(join(home, 'keys'))).mode & 0o777).toBe(0o700);
  expect(await readFile(join(home, 'keys', 'ledger.key'), 'utf8')).toContain('BEGIN PRIVATE KEY');
  expect((await loadLedgerKey({ home })).verifierKey).toBe(made.verifierKey);
  expect(await findVerifierKey({ home })).toBe(made.verifierKey);
});

test('processes that start at once end up with one key', async () => {
  const keys = await Promise.all(Array.from({ length: 10 }, () => loadLedgerKey({ home })));

  expect(new Set(keys.map(({ verifierKey }) => verifierKey)).size).toBe(1);
});

test('a key that others may read, that is no key, or an origin that cannot be a key name, is refused', async () => {
  await loadLedgerKey({ home });
  const path = join(home, 'keys', 'ledger.key');
  await chmod(path, 0o640);
  await expect(loadLedgerKey({ home })).rejects.toMatchObject({ code: 'ledger.key-exposed' });

  await chmod(path, 0o600);
  await writeFile(path, 'nonsense');
  await expect(loadLedgerKey({ home })).rejects.toMatchObject({ code: 'ledger.key-unreadable' });
  await expect(loadLedgerKey({ home, origin: 'two words' })).rejects.toMatchObject({ code: 'ledger.origin' });
});
