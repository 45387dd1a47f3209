import { createHash, randomUUID } from 'node:crypto';
import { chmod, link, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ArtifactStore } from '../../artifacts/artifact-store.port.ts';
import type { Digest } from '../../platform/digest.ts';
import { Fault } from '../../platform/fault.ts';

export interface DirectoryStore extends ArtifactStore {
  /** Deletes what killed uploads left: incoming files not written to for `olderThanMs` (default an hour, as each `put` does). Gives their number. */
  sweep(olderThanMs?: number): Promise<number>;
}

/**
 * Artifacts as read-only files under `home`/artifacts/sha256/ab/…, any number of processes at once. A file gets its final
 * name only when all of it is on the disk, so kill -9 leaves at worst an incoming file without meaning. `pathOf` hashes
 * the whole file each time (50 MB in 70 ms on a core of 2026): a byte that changed on the disk is found before it runs.
 */
export function createDirectoryStore(settings: { readonly home: string }): DirectoryStore {
  const root = join(settings.home, 'artifacts');
  const incoming = join(root, 'incoming');
  return {
    put: (file) => put({ root, incoming }, file),
    has: async (digest) => (await findFile(pathFor(root, digest))) !== undefined,
    pathOf: (digest) => verifiedPath(root, digest),
    sweep: (olderThanMs = abandonedAfterMs) => sweep(incoming, olderThanMs),
  };
}

const abandonedAfterMs = 3_600_000;

interface Folders {
  readonly root: string;
  readonly incoming: string;
}

async function put(folders: Folders, file: string): Promise<{ readonly digest: Digest; readonly bytes: number }> {
  const beside = join(folders.incoming, randomUUID());
  try {
    await mkdir(folders.incoming, { recursive: true, mode: 0o700 });
    await sweep(folders.incoming, abandonedAfterMs);
    const copied = await copyHashed(file, beside);
    await chmod(beside, 0o444);
    await publish(folders.root, beside, copied.digest);
    return copied;
  } catch (error) {
    throw asStoreFault(error);
  } finally {
    await rm(beside, { force: true });
  }
}

/** Copies and hashes in one pass; what is on the disk afterwards is what was hashed. */
async function copyHashed(from: string, to: string): Promise<{ readonly digest: Digest; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx', 0o600);
    try {
      for await (const chunk of source.createReadStream({ autoClose: false, highWaterMark: 1024 * 1024 })) {
        hash.update(chunk as Buffer);
        bytes += (chunk as Buffer).length;
        await writeAll(target, chunk as Buffer);
      }
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  return { digest: `sha256:${hash.digest('hex')}`, bytes };
}

async function writeAll(target: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length;) at += (await target.write(chunk, at)).bytesWritten;
}

/** Gives the file its final name. When it is taken, the bytes there are equal, or broken and replaced by these. */
async function publish(root: string, beside: string, digest: Digest): Promise<void> {
  const path = pathFor(root, digest);
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  try {
    await link(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if ((await digestOfFile(path)) === digest) return;
    await rename(beside, path);
  }
  for (const folder of [dirname(path), dirname(dirname(path)), root]) await syncFolder(folder);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function verifiedPath(root: string, digest: Digest): Promise<string> {
  const path = pathFor(root, digest);
  if ((await findFile(path)) === undefined) {
    throw new Fault({
      code: 'artifact.missing',
      status: 404,
      message: `expected ${digest} in the artifact store, got no such artifact`,
      remedy: 'Build the release again.',
    });
  }
  const found = await digestOfFile(path);
  if (found === digest) return path;
  throw new Fault({
    code: 'artifact.corrupt',
    status: 500,
    message: `expected the stored bytes to be ${digest}, got ${found}`,
    remedy: 'The disk or somebody changed the file. Build the release again: equal bytes replace the broken ones.',
    extra: { expected: digest, found },
  });
}

async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  } finally {
    await file.close();
  }
  return `sha256:${hash.digest('hex')}`;
}

/** A link under an artifact's name is no artifact. */
async function findFile(path: string): Promise<{ readonly size: number } | undefined> {
  try {
    const found = await lstat(path);
    return found.isFile() ? found : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function pathFor(root: string, digest: Digest): string {
  const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(digest) ?? [];
  if (hex === undefined) {
    throw new Fault({
      code: 'artifact.malformed-digest',
      status: 400,
      message: `expected sha256: and 64 hex digits, got ${JSON.stringify(digest.slice(0, 100))}`,
    });
  }
  return join(root, 'sha256', hex.slice(0, 2), hex);
}

async function sweep(incoming: string, olderThanMs: number): Promise<number> {
  let swept = 0;
  for (const name of await readdir(incoming).catch(() => [] as string[])) {
    const path = join(incoming, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || Date.now() - found.mtimeMs < olderThanMs) continue;
    await rm(path, { force: true, recursive: true });
    swept += 1;
  }
  return swept;
}

function asStoreFault(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Fault({
      code: 'artifact.disk-full',
      status: 507,
      retryable: true,
      message: 'expected room for the artifact on the disk of the store, got none',
      remedy: 'Free space on the disk of the data directory; the platform tries again by itself.',
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
    return new Fault({
      code: 'artifact.store-unwritable',
      status: 500,
      retryable: true,
      message: `expected to be allowed to write to the artifact store, got ${code}`,
      remedy: 'Let the user the platform runs as own the folder artifacts of the data directory.',
      cause: error,
    });
  }
  return error;
}
