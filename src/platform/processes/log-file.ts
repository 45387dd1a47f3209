import { copyFile, open, stat, truncate } from 'node:fs/promises';

const largestBytes = 20_000_000;

/**
 * Keeps one older file beside a log that has grown large. It is copied and cut, not renamed, because its writers hold it
 * open (and append). A line written between copy and cut is lost.
 */
export async function rotateWhenLarge(file: string, maxBytes: number = largestBytes): Promise<void> {
  if ((await sizeOf(file)) <= maxBytes) return;
  await copyFile(file, `${file}.1`);
  await truncate(file, 0);
}

/** Text from a position on, 64 KB at most: a ready line is among the first things a process says. */
export async function readLogFrom(file: string, from: number): Promise<string> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return '';
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(65_536), 0, 65_536, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

export async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
