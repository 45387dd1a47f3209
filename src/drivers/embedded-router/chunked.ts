/**
 * Reads a chunked body (RFC 9112 §7.1) strictly: bare line feeds, signs, spaces in a size, oversized extensions or
 * trailers end it as broken. What a lenient reader and a strict one see differently is how responses get mixed up.
 */
type State = 'size' | 'extension' | 'size-end' | 'data' | 'data-end-cr' | 'data-end-lf' | 'trailer' | 'done' | 'broken';

const CR = 13;
const LF = 10;
const SEMICOLON = 59;
const maxLine = 4_096;
/** 13 hex digits: 2^52, still an exact number. */
const maxSizeDigits = 13;

export class ChunkedBody {
  #state: State = 'size';
  #size = 0;
  #digits = 0;
  #line = 0;
  #left = 0;
  #trailerBytes = 0;
  #previous = 0;

  get isDone(): boolean {
    return this.#state === 'done';
  }
  get isBroken(): boolean {
    return this.#state === 'broken';
  }

  /** Reads until the end of the body or of `chunk`; hands out the data in between. Returns how many bytes it used. */
  read(chunk: Buffer, onData: (data: Buffer) => void): number {
    let at = 0;
    while (at < chunk.length && this.#state !== 'done' && this.#state !== 'broken') {
      if (this.#state === 'data') {
        const take = Math.min(this.#left, chunk.length - at);
        onData(chunk.subarray(at, at + take));
        at += take;
        this.#left -= take;
        if (this.#left === 0) this.#state = 'data-end-cr';
      } else {
        this.#state = this.#step(chunk[at] ?? 0);
        at++;
      }
    }
    return at;
  }

  #step(byte: number): State {
    switch (this.#state) {
      case 'size':
        return this.#sizeDigit(byte);
      case 'extension':
        if (++this.#line > maxLine || byte === LF) return 'broken';
        return byte === CR ? 'size-end' : 'extension';
      case 'size-end':
        return byte === LF ? this.#startData() : 'broken';
      case 'data-end-cr':
        return byte === CR ? 'data-end-lf' : 'broken';
      case 'data-end-lf':
        return byte === LF ? 'size' : 'broken';
      case 'trailer':
        return this.#trailer(byte);
      default:
        return 'broken';
    }
  }

  #sizeDigit(byte: number): State {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#size = this.#size * 16 + digit;
      return ++this.#digits > maxSizeDigits ? 'broken' : 'size';
    }
    if (this.#digits === 0) return 'broken';
    if (byte === CR) return 'size-end';
    return byte === SEMICOLON ? 'extension' : 'broken';
  }

  #startData(): State {
    this.#left = this.#size;
    this.#size = 0;
    this.#digits = 0;
    this.#line = 0;
    if (this.#left > 0) return 'data';
    this.#previous = LF;
    return 'trailer';
  }

  /** Trailers are read past and dropped, up to the empty line. */
  #trailer(byte: number): State {
    if (++this.#trailerBytes > maxLine) return 'broken';
    const previous = this.#previous;
    this.#previous = byte;
    if (previous === CR && byte !== LF) return 'broken';
    if (byte !== LF) {
      if (byte !== CR) this.#line++;
      return 'trailer';
    }
    if (previous !== CR) return 'broken';
    if (this.#line === 0) return 'done';
    this.#line = 0;
    return 'trailer';
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 97 && byte <= 102) return byte - 87;
  return byte >= 65 && byte <= 70 ? byte - 55 : -1;
}
