import { connect, type Socket } from 'node:net';
import { ChunkedBody } from './chunked.ts';
import { maxHeadBytes, parseResponseHead, type ResponseHead } from './http-head.ts';

/**
 * - `connect`: refused, or no connection in time: nothing was sent
 * - `broken`: the connection ended, or became unreadable, before a whole response
 * - `timeout`: sent, and the response did not come in time
 */
export type UpstreamFailure = 'connect' | 'broken' | 'timeout';

/** Who receives a response. Exactly one of `onEnd` and `onFailure` is called, last. */
export interface ResponseSink {
  onHead(head: ResponseHead): void;
  /** False asks for a pause until `resume`. */
  onData(data: Buffer): boolean;
  onEnd(): void;
  /** `isStale`: the connection had long been idle and was closed by the other side before it answered a byte. */
  onFailure(failure: UpstreamFailure, isStale: boolean): void;
}

export interface ConnectionOwner {
  readonly host: string;
  readonly port: number;
  readonly headTimeoutMs: number;
  /** The response is whole and the connection may carry the next request. */
  onIdle(connection: UpstreamConnection): void;
  onGone(connection: UpstreamConnection): void;
}

export interface UpstreamRequest {
  /** Request line and headers with the empty line, as bytes of latin1. */
  readonly head: string;
  /** A HEAD request: its response has no body whatever its headers say. */
  readonly isHead: boolean;
  readonly hasBody: boolean;
}

const connectTimeoutMs = 2_000;
/** A body that stands still this long is given up. */
const bodyIdleTimeoutMs = 300_000;
/** Without a Keep-Alive hint: below the 5 s after which Node closes an idle connection, the shortest common default. */
const reuseWithinMs = 4_000;
/** A reused connection that was idle this long and breaks was stale; one that breaks sooner was broken by the request. */
const staleAfterMs = 1_000;
const empty = Buffer.alloc(0);

/** One HTTP/1.1 connection to an upstream, one request at a time. Anything unexpected on it ends it. */
export class UpstreamConnection {
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  #sink: ResponseSink | undefined;
  #request: UpstreamRequest | undefined;
  #isConnected = false;
  #isGone = false;
  #isRequestSent = true;
  #head: ResponseHead | undefined;
  #pending: Buffer = empty;
  #left = 0;
  #chunks: ChunkedBody | undefined;
  #reuseWithinMs = reuseWithinMs;
  #idleSince = 0;
  #idleForMs = 0;
  #deadline = Infinity;
  #onDrain: (() => void) | undefined;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
    this.#socket = connect({ host: owner.host, port: owner.port, noDelay: true });
    this.#socket.on('connect', () => {
      this.#isConnected = true;
      this.#deadline = performance.now() + owner.headTimeoutMs;
    });
    this.#socket.on('data', (data: Buffer) => this.#onData(data));
    this.#socket.on('drain', () => this.#onDrain?.());
    this.#socket.on('end', () => this.#onEnded());
    this.#socket.on('error', () => this.#fail('broken'));
    this.#socket.on('close', () => this.#fail('broken'));
  }

  /** `now` is performance.now(), read once per request by the caller. */
  send(request: UpstreamRequest, sink: ResponseSink, now: number): void {
    this.#sink = sink;
    this.#request = request;
    this.#head = undefined;
    this.#isRequestSent = !request.hasBody;
    this.#idleForMs = this.#idleSince === 0 ? 0 : now - this.#idleSince;
    this.#deadline = now + (this.#isConnected ? this.#owner.headTimeoutMs : connectTimeoutMs);
    this.#socket.write(request.head, 'latin1');
  }

  /** False when the upstream reads more slowly than this: wait for `onDrain`. */
  writeBody(data: Buffer | string, onDrain: () => void): boolean {
    this.#onDrain = onDrain;
    return this.#socket.write(data, 'latin1');
  }

  endBody(data?: string): void {
    this.#isRequestSent = true;
    this.#onDrain = undefined;
    if (data !== undefined) this.#socket.write(data, 'latin1');
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  isReusable(now: number): boolean {
    return !this.#isGone && now - this.#idleSince < this.#reuseWithinMs;
  }

  /** Called about once a second: timeouts cost the single request nothing. */
  checkDeadline(now: number): void {
    if (this.#sink && now > this.#deadline) this.#fail(this.#isConnected ? 'timeout' : 'connect');
  }

  /** Ends the connection without telling the sink: the client has gone, or it is idle and not wanted. */
  destroy(): void {
    this.#sink = undefined;
    this.#leave();
  }

  #onData(data: Buffer): void {
    if (!this.#sink) return this.#leave();
    if (this.#head) return this.#onBody(data);
    const bytes = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end === -1 || end > maxHeadBytes) {
      if (bytes.length > maxHeadBytes) return this.#fail('broken');
      this.#pending = bytes;
      return;
    }
    this.#pending = empty;
    this.#onHead(bytes.toString('latin1', 0, end), bytes.subarray(end + 4));
  }

  #onHead(text: string, rest: Buffer): void {
    const head = parseResponseHead(text, this.#request?.isHead === true);
    if (!head || head.status === 101) return this.#fail('broken');
    // An interim response (100, 103) goes no further; the real one follows.
    if (head.status < 200) return rest.length > 0 ? this.#onData(rest) : undefined;
    this.#head = head;
    this.#deadline = performance.now() + bodyIdleTimeoutMs;
    if (head.keepAliveSeconds !== undefined) this.#reuseWithinMs = Math.min(60_000, (head.keepAliveSeconds - 1) * 1_000);
    this.#left = head.framing.kind === 'length' ? head.framing.length : Infinity;
    this.#chunks = head.framing.kind === 'chunked' ? new ChunkedBody() : undefined;
    this.#sink?.onHead(head);
    if (this.#left === 0) this.#finish(rest.length === 0);
    else if (rest.length > 0) this.#onBody(rest);
  }

  #onBody(data: Buffer): void {
    if (this.#chunks) return this.#onChunks(data, this.#chunks);
    const body = data.length > this.#left ? data.subarray(0, this.#left) : data;
    const isWhole = data.length === body.length;
    this.#left -= body.length;
    this.#pass(body);
    if (this.#left === 0) this.#finish(isWhole);
    else this.#deadline = performance.now() + bodyIdleTimeoutMs;
  }

  #onChunks(data: Buffer, chunks: ChunkedBody): void {
    const used = chunks.read(data, (part) => this.#pass(part));
    if (chunks.isBroken) this.#fail('broken');
    else if (chunks.isDone) this.#finish(used === data.length);
    else this.#deadline = performance.now() + bodyIdleTimeoutMs;
  }

  #pass(data: Buffer): void {
    if (this.#sink?.onData(data) === false) this.pause();
  }

  /** `isExact`: nothing came after the end of the response. Bytes nobody asked for make the connection unfit. */
  #finish(isExact: boolean): void {
    const sink = this.#sink;
    if (!sink) return;
    this.#sink = undefined;
    if (isExact && this.#head?.keepAlive === true && this.#isRequestSent) {
      this.#idleSince = performance.now();
      this.#socket.resume();
      this.#owner.onIdle(this);
    } else this.#leave();
    sink.onEnd();
  }

  #onEnded(): void {
    if (this.#sink && this.#head?.framing.kind === 'close') this.#finish(false);
    else this.#fail('broken');
  }

  #fail(failure: UpstreamFailure): void {
    const sink = this.#sink;
    this.#sink = undefined;
    const isStale = failure === 'broken' && !this.#head && this.#pending.length === 0 && this.#idleForMs > staleAfterMs;
    this.#leave();
    sink?.onFailure(this.#isConnected ? failure : 'connect', isStale);
  }

  #leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#onDrain = undefined;
    this.#socket.destroy();
    this.#owner.onGone(this);
  }
}
