import { once } from 'node:events';
import { createReadStream, mkdtempSync, openSync, closeSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';

/** What fits in memory before a file takes over. */
const MEMORY_BYTES = 4 * 1024 * 1024;

/**
 * Holds results back until the whole input is known to be good, because a fault on the last line must leave standard output
 * empty. Small results stay in memory, large ones go to a temporary file that only this user can read.
 */
export class ResultSpool {
  #parts: string[] = [];
  #bytes = 0;
  #folder: string | undefined;
  #file: number | undefined;

  add(text: string): void {
    this.#parts.push(text);
    this.#bytes += text.length;
    if (this.#bytes >= MEMORY_BYTES) this.#toFile();
  }

  async writeTo(output: Writable): Promise<void> {
    if (this.#file !== undefined && this.#folder !== undefined) {
      this.#toFile();
      for await (const chunk of createReadStream(join(this.#folder, 'results'))) await write(output, chunk as Uint8Array);
      return;
    }
    await write(output, this.#parts.join(''));
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#file = undefined;
    this.#folder = undefined;
  }

  #toFile(): void {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'tidegate-judge-'));
    this.#file ??= openSync(join(this.#folder, 'results'), 'wx', 0o600);
    writeSync(this.#file, this.#parts.join(''));
    this.#parts = [];
    this.#bytes = 0;
  }
}

async function write(output: Writable, chunk: string | Uint8Array): Promise<void> {
  if (chunk.length > 0 && !output.write(chunk)) await once(output, 'drain');
}
