import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault } from './fault.ts';

/**
 * A process's state as one JSON file that survives kill -9 and power loss: written beside, fsynced, renamed over, folder
 * fsynced. A reader sees the old file or the new one, never half. Mode 0600.
 */
export async function saveStateFile(path: string, state: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}.tmp`;
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(state));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Undefined when there is none yet. A file that is not JSON is refused: guessing would lose routes or processes. */
export async function loadStateFile(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault({
      code: 'state.unreadable',
      message: `expected JSON in ${path}, got something else`,
      remedy: 'Move the file away; what it described is declared again by the next deployment.',
      cause,
    });
  }
}
