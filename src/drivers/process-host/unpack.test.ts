import { createWriteStream } from 'node:fs';
import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack as createPack, type Header } from 'tar-stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOfBytes } from '../../platform/digest.ts';
import { takeArchive } from './archive.ts';
import { unpackArchive } from './unpack.ts';

type Entry = Partial<Header> & Pick<Header, 'name'> & { readonly content?: string };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tg-unpack-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function unpack(...entries: readonly Entry[]): Promise<string> {
  const pack = createPack();
  for (const { content = '', ...header } of entries) pack.entry(header, header.type === undefined || header.type === 'file' ? content : '');
  pack.finalize();
  const archive = join(folder, 'it.tar');
  await pipeline(pack, createWriteStream(archive));
  await unpackArchive(archive, join(folder, 'out'));
  return join(folder, 'out');
}

test('files, folders and links that stay inside come out, set-uid bits do not', async () => {
  const out = await unpack(
    { name: 'bin/', type: 'directory' },
    { name: 'bin/run', mode: 0o6755, content: '#!/bin/sh' },
    { name: 'lib/deep/data.txt', content: 'data' },
    { name: 'current', type: 'symlink', linkname: 'lib/deep/data.txt' },
    { name: 'lib/up', type: 'symlink', linkname: '../bin/run' },
  );
  expect(await readFile(join(out, 'current'), 'utf8')).toBe('data');
  expect(await readFile(join(out, 'lib/up'), 'utf8')).toBe('#!/bin/sh');
  expect((await lstat(join(out, 'bin/run'))).mode & 0o7777).toBe(0o755);
});

test.each<[string, readonly Entry[]]>([
  ['an absolute path', [{ name: '/tmp/tg-evil', content: 'x' }]],
  ['a path that climbs out', [{ name: '../evil', content: 'x' }]],
  ['a path that climbs out from inside', [{ name: 'a/../../evil', content: 'x' }]],
  ['a link to an absolute path', [{ name: 'link', type: 'symlink', linkname: '/etc/passwd' }]],
  ['a link that climbs out', [{ name: 'a/link', type: 'symlink', linkname: '../../evil' }]],
  ['a link to nothing', [{ name: 'link', type: 'symlink', linkname: 'missing' }]],
  [
    'two links that lead out together',
    [
      { name: 'here', type: 'symlink', linkname: '.' },
      { name: 'out', type: 'symlink', linkname: 'here/../..' },
    ],
  ],
  [
    'a file through a link',
    [
      { name: 'dir', type: 'directory' },
      { name: 'link', type: 'symlink', linkname: 'dir' },
      { name: 'link/file', content: 'x' },
    ],
  ],
  [
    'a file where a link is',
    [
      { name: 'dir', type: 'directory' },
      { name: 'link', type: 'symlink', linkname: 'dir' },
      { name: 'link', content: 'x' },
    ],
  ],
  [
    'the same file twice',
    [
      { name: 'a', content: 'x' },
      { name: './a', content: 'y' },
    ],
  ],
  [
    'a hard link',
    [
      { name: 'a', content: 'x' },
      { name: 'b', type: 'link', linkname: 'a' },
    ],
  ],
  ['a device', [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }]],
  ['a pipe', [{ name: 'pipe', type: 'fifo' }]],
])('%s is refused and leaves nothing outside', async (_what, entries) => {
  await expect(unpack(...entries)).rejects.toMatchObject({ code: 'artifact.unsafe', status: 422 });
  expect((await readdir(folder)).toSorted()).toEqual(['it.tar', 'out']);
});

test.each([
  ['no tar at all', Buffer.from('x'.repeat(2_000))],
  ['a tar cut in the middle', undefined],
])('%s is refused', async (_what, bytes) => {
  await unpack({ name: 'a', content: 'x'.repeat(5_000) });
  const archive = join(folder, 'it.tar');
  await writeFile(archive, bytes ?? (await readFile(archive)).subarray(0, 2_000));
  await expect(unpackArchive(archive, join(folder, 'other'))).rejects.toMatchObject({ code: 'artifact.unsafe' });
});

test('an archive is copied only when its bytes have the digest', async () => {
  const path = join(folder, 'a.tar');
  await writeFile(path, 'bytes');
  const copy = await takeArchive({ path, digest: digestOfBytes('bytes') }, join(folder, 'copies'));
  expect(await readFile(copy, 'utf8')).toBe('bytes');
  await rm(copy);

  await expect(takeArchive({ path, digest: digestOfBytes('other') }, join(folder, 'copies'))).rejects.toMatchObject({
    code: 'artifact.digest-mismatch',
  });
  await expect(takeArchive({ path: join(folder, 'none'), digest: digestOfBytes('') }, join(folder, 'copies'))).rejects.toMatchObject({
    status: 404,
  });
  await symlink(path, join(folder, 'link'));
  await expect(takeArchive({ path: join(folder, 'link'), digest: digestOfBytes('bytes') }, join(folder, 'copies'))).rejects.toMatchObject({
    status: 404,
  });
  expect(await readdir(join(folder, 'copies'))).toEqual([]);
});
