import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Digest } from '../../platform/digest.ts';
import { digestOfBytes } from '../../platform/digest.ts';
import { createDirectoryStore } from './directory-store.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidegate-store-test-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function storeWith(
  text: string,
): Promise<{ store: ReturnType<typeof createDirectoryStore>; home: string; file: string; digest: Digest }> {
  const home = await mkdtemp(join(root, 'home-'));
  const file = join(home, 'upload');
  await writeFile(file, text);
  return { store: createDirectoryStore({ home }), home, file, digest: digestOfBytes(text) };
}

test('a file is kept under its own digest, read-only', async () => {
  const { store, home, file, digest } = await storeWith('tide');

  expect(await store.put(file)).toEqual({ digest, bytes: 4 });

  const hex = digest.slice('sha256:'.length);
  const path = join(home, 'artifacts', 'sha256', hex.slice(0, 2), hex);
  expect(await store.pathOf(digest)).toBe(path);
  expect(await store.has(digest)).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o444);
  expect(await readdir(join(home, 'artifacts', 'incoming'))).toEqual([]);
});

test('the same bytes put eight times at once are one artifact', async () => {
  const { store, home, file, digest } = await storeWith('gate'.repeat(100_000));

  const all = await Promise.all(Array.from({ length: 8 }, () => store.put(file)));

  expect(new Set(all.map((one) => one.digest))).toEqual(new Set([digest]));
  expect(await readdir(join(home, 'artifacts', 'incoming'))).toEqual([]);
  expect((await stat(await store.pathOf(digest))).nlink).toBe(1);
});

test('an empty file is an artifact too', async () => {
  const { store, file, digest } = await storeWith('');
  expect(await store.put(file)).toEqual({ digest, bytes: 0 });
});

test('a missing artifact is said to be missing', async () => {
  const { store, digest } = await storeWith('never put');
  expect(await store.has(digest)).toBe(false);
  await expect(store.pathOf(digest)).rejects.toMatchObject({ code: 'artifact.missing', status: 404 });
});

test('a byte changed on the disk is found before it runs, and the same bytes put again heal it', async () => {
  const { store, file, digest } = await storeWith('whole');
  await store.put(file);
  const path = await store.pathOf(digest);
  await chmod(path, 0o644);
  await writeFile(path, 'whOle');

  await expect(store.pathOf(digest)).rejects.toMatchObject({
    code: 'artifact.corrupt',
    status: 500,
    extra: { expected: digest, found: digestOfBytes('whOle') },
  });
  await store.put(file);

  expect(await readFile(await store.pathOf(digest), 'utf8')).toBe('whole');
});

test.each(['sha256:../../etc/passwd', 'sha256:ABC', 'md5:1', ''])('the digest %j never becomes a path', async (digest) => {
  const { store } = await storeWith('x');
  await expect(store.has(digest as Digest)).rejects.toMatchObject({ code: 'artifact.malformed-digest', status: 400 });
});

test('kill -9 in the middle of a put leaves no artifact, only an incoming file that is swept', async () => {
  const { store, home } = await storeWith('x');
  const big = join(home, 'big');
  execFileSync('truncate', ['--size=4G', big]);
  const script = `import { createDirectoryStore } from ${JSON.stringify(new URL('directory-store.ts', import.meta.url).href)};
    await createDirectoryStore({ home: ${JSON.stringify(home)} }).put(${JSON.stringify(big)});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  const incoming = join(home, 'artifacts', 'incoming');
  await expect.poll(async () => (await readdir(incoming).catch(() => [])).length, { timeout: 20_000 }).toBe(1);
  child.kill('SIGKILL');
  await once(child, 'exit');

  expect(await readdir(join(home, 'artifacts'))).toEqual(['incoming']);
  expect(await store.sweep()).toBe(0);
  expect(await store.sweep(0)).toBe(1);
  expect(await readdir(incoming)).toEqual([]);
});

/** A real full disk: only root can mount one. */
const mayMount = process.platform === 'linux' && process.getuid?.() === 0;
test.runIf(mayMount)('a full disk is a readable fault worth retrying, and leaves nothing half there', async () => {
  const home = join(root, 'small-disk');
  await mkdir(home);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', home]);
  try {
    const file = join(root, 'two-megabytes');
    await writeFile(file, Buffer.alloc(2 * 1024 * 1024, 1));
    const store = createDirectoryStore({ home });

    await expect(store.put(file)).rejects.toMatchObject({ code: 'artifact.disk-full', status: 507, retryable: true });
    expect(await readdir(join(home, 'artifacts', 'incoming'))).toEqual([]);

    await writeFile(file, 'small');
    expect((await store.put(file)).bytes).toBe(5);
  } finally {
    execFileSync('umount', [home]);
  }
});
