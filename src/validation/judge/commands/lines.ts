/** A line as bytes of a larger buffer: nothing is copied or decoded that nobody asked for. */
export interface Line {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf];

/**
 * Cuts a stream of chunks into lines, in constant memory: a line longer than `limit` bytes is reported once and skipped.
 * Accepts \n and \r\n, a byte order mark at the start, and a last line without an end.
 */
export class LineCutter {
  readonly #limit: number;
  readonly #onLine: (line: Line) => void;
  readonly #onTooLong: (number: number) => void;
  /** The beginning of a line that has not ended yet, as it came: joined once, when its end is there. */
  #parts: Uint8Array[] = [];
  #length = 0;
  #number = 1;
  #skipping = false;

  constructor(limit: number, onLine: (line: Line) => void, onTooLong: (number: number) => void) {
    this.#limit = limit;
    this.#onLine = onLine;
    this.#onTooLong = onTooLong;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (this.#length === 0) this.#line(chunk, start, end);
      else {
        this.#keep(chunk.subarray(start, end));
        this.#flush();
      }
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** The last line, when it has no newline. */
  end(): void {
    if (this.#length > 0) this.#flush();
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > this.#limit && !this.#skipping) {
      this.#onTooLong(this.#number);
      this.#skipping = true;
      this.#parts = [];
    }
    // A copy: the chunk belongs to the stream, and a view of it would keep all of it alive.
    if (!this.#skipping && part.length > 0) this.#parts.push(part.slice());
  }

  #flush(): void {
    const whole = new Uint8Array(this.#skipping ? 0 : this.#length);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#length = 0;
    this.#line(whole, 0, whole.length);
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    const number = this.#number;
    this.#number += 1;
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    if (end - start > this.#limit) {
      this.#onTooLong(number);
      return;
    }
    const from = number === 1 ? start + markLength(bytes, start) : start;
    const last = end > from && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    this.#onLine({ number, bytes, start: from, end: last });
  }
}

function markLength(bytes: Uint8Array, start: number): number {
  return BYTE_ORDER_MARK.every((byte, index) => bytes[start + index] === byte) ? BYTE_ORDER_MARK.length : 0;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function textOf(line: Line): string {
  return decoder.decode(line.bytes.subarray(line.start, line.end));
}
