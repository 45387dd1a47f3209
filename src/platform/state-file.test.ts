import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadStateFile, saveStateFile } from './state-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tg-state-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('what was saved last is read, and nothing lies beside it', async () => {
  const path = join(folder, 'deep/state.json');
  expect(await loadStateFile(path)).toBeUndefined();
  await saveStateFile(path, { n: 1 });
  await saveStateFile(path, { n: 2 });
  expect(await loadStateFile(path)).toEqual({ n: 2 });
  expect(await readdir(join(folder, 'deep'))).toEqual(['state.json']);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('a file that is no JSON is refused, not guessed at', async () => {
  const path = join(folder, 'state.json');
  await writeFile(path, '{"n":');
  await expect(loadStateFile(path)).rejects.toMatchObject({ code: 'state.unreadable' });
});
