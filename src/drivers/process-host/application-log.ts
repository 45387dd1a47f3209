import { closeSync, openSync } from 'node:fs';
import { copyFile, mkdir, open, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';

const maxLogBytes = 10 * 1_048_576;
const tailBytes = 1_048_576;
const maxLines = 10_000;

/**
 * The application writes into its log file itself, so that it goes on writing while the host is away. The file is opened
 * for appending: that is what makes emptying it under the writer safe.
 */
export async function openLog(path: string): Promise<{ readonly fd: number; close(): void }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fd = openSync(path, 'a', 0o600);
  return { fd, close: () => closeSync(fd) };
}

/** Beyond 10 MiB the file becomes `.1` (the one before it is dropped). Lines written during the copy may be lost. */
export async function rotateLog(path: string): Promise<void> {
  const size = await stat(path).then(
    (of) => of.size,
    () => 0,
  );
  if (size <= maxLogBytes) return;
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
}

/** The newest lines, oldest first; at most 10,000 and at most the last MiB of each file. */
export async function readLogTail(path: string, lines: number): Promise<readonly string[]> {
  const wanted = Math.max(0, Math.min(maxLines, Math.floor(lines)));
  if (wanted === 0) return [];
  const newest = await tailOf(path);
  const all = newest.length >= wanted ? newest : [...(await tailOf(`${path}.1`)), ...newest];
  return all.slice(-wanted);
}

async function tailOf(path: string): Promise<string[]> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return [];
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - tailBytes);
    const buffer = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    if (from > 0) lines.shift();
    if (lines.at(-1) === '') lines.pop();
    return lines;
  } finally {
    await file.close();
  }
}
