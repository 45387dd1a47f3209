import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../platform/fault.ts';

const maxArchiveBytes = 1_073_741_824;

/**
 * Copies an archive into `folder` and verifies its digest over the bytes that were copied, so that what is unpacked is
 * what was verified even when the source changes meanwhile. The caller removes the copy.
 */
export async function takeArchive(source: { readonly path: string; readonly digest: string }, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const copy = join(folder, `${randomUUID()}.tar`);
  const from = await openArchive(source.path);
  try {
    const digest = await copyAndHash(from, copy);
    if (digest !== source.digest) {
      throw new Fault({
        code: 'artifact.digest-mismatch',
        status: 422,
        message: `expected an archive with digest ${source.digest}, got ${digest}`,
        remedy: 'The archive was changed or damaged after it was built; build the release again.',
      });
    }
    return copy;
  } catch (error) {
    await rm(copy, { force: true });
    throw error;
  } finally {
    await from.close();
  }
}

async function openArchive(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const stat = await file.stat();
    if (stat.isFile() && stat.size <= maxArchiveBytes) return file;
    await file.close();
    throw new Fault({
      code: 'artifact.too-large',
      status: 422,
      message: `expected a file of at most ${maxArchiveBytes} bytes, got ${stat.size}`,
    });
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault({
      code: 'artifact.missing',
      status: 404,
      message: `expected an archive at the artifact's path, got ${(cause as NodeJS.ErrnoException).code ?? 'no file'}`,
      remedy: 'Build the release again; its artifact is no longer in the store.',
      cause,
    });
  }
}

async function copyAndHash(from: FileHandle, path: string): Promise<string> {
  const hash = createHash('sha256');
  const to = await open(path, 'wx', 0o600);
  try {
    const buffer = Buffer.alloc(1_048_576);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await from.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return `sha256:${hash.digest('hex')}`;
      bytes += bytesRead;
      if (bytes > maxArchiveBytes)
        throw new Fault({ code: 'artifact.too-large', status: 422, message: `expected at most ${maxArchiveBytes} bytes, got more` });
      const part = buffer.subarray(0, bytesRead);
      hash.update(part);
      await to.write(part);
    }
  } finally {
    await to.close();
  }
}
