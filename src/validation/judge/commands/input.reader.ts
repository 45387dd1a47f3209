import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { badInput, type InputFaults } from './input-faults.ts';

/** What a stream of bytes is pushed into. */
export interface ByteReader {
  push(chunk: Uint8Array): void;
  end(): void;
}

const CHUNK_BYTES = 256 * 1024;

/** How an input is called in faults. */
export function sourceName(path: string): string {
  return path === '-' ? 'standard input' : path;
}

/** Pushes a file, or standard input for `-`, through a reader, one chunk in memory at a time. */
async function readInput(path: string, reader: ByteReader): Promise<void> {
  const stream: Readable = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES });
  try {
    for await (const chunk of stream) reader.push(chunk as Uint8Array);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const details: Readonly<Record<string, string>> = { ENOENT: 'no such file', EISDIR: 'a folder', EACCES: 'a file that may not be read' };
    const detail = details[code];
    if (detail === undefined) throw cause;
    throw badInput(sourceName(path), [{ detail: `expected a readable file, got ${detail}` }], 'Name a file, or - for standard input.');
  }
  reader.end();
}

/** Reads to the end, then throws `judge.input` with every fault that was met. */
export async function readWhole(path: string, reader: ByteReader, faults: InputFaults): Promise<void> {
  await readInput(path, reader);
  faults.throwIfAny('Correct the places named and run it again; nothing was judged.');
}
