import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ClientSide, Exchange } from './exchange.ts';
import { versionHeader, type ResponseHead } from './http-head.ts';
import type { Arm } from './lane.ts';

export interface BodyTransfer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly exchange: Exchange;
  readonly isChunked: boolean;
  readonly maxBytes: number;
}

/** A body is sent once, to the first arm tried: what was read from the client cannot be read again. */
export function sendBody({ request, response, exchange, isChunked, maxBytes }: BodyTransfer): void {
  let bytes = 0;
  const resume = (): void => void request.resume();
  request.on('data', (data: Buffer) => {
    bytes += data.length;
    if (bytes > maxBytes) {
      exchange.cancel();
      request.removeAllListeners('data');
      if (response.headersSent) response.destroy();
      else refuseBody(request, response, maxBytes);
      return;
    }
    const { connection } = exchange;
    if (!connection) return;
    if (isChunked) connection.writeBody(`${data.length.toString(16)}\r\n`, resume);
    let isFlowing = connection.writeBody(data, resume);
    if (isChunked) isFlowing = connection.writeBody('\r\n', resume);
    if (!isFlowing) request.pause();
  });
  request.on('end', () => exchange.connection?.endBody(isChunked ? '0\r\n\r\n' : undefined));
}

/** The response through Node's own writer: right framing for every client, HTTP/1.0 included. */
export class NodeClient implements ClientSide {
  exchange: Exchange | undefined;
  readonly #front: { readonly isClosing: boolean };
  readonly #response: ServerResponse;
  readonly #cookie: string | undefined;

  constructor(front: { readonly isClosing: boolean }, response: ServerResponse, cookie: string | undefined) {
    this.#front = front;
    this.#response = response;
    this.#cookie = cookie;
  }

  sendHead(head: ResponseHead, arm: Arm): void {
    const headers: string[] = [];
    const { lines } = head;
    for (let at = 0; at < lines.length;) {
      const end = lines.indexOf('\r\n', at);
      const colon = lines.indexOf(':', at);
      headers.push(lines.slice(at, colon), lines.slice(colon + 1, end).trim());
      at = end + 2;
    }
    headers.push(versionHeader, arm.version);
    if (this.#cookie !== undefined) headers.push('set-cookie', this.#cookie);
    if (this.#front.isClosing) this.#response.shouldKeepAlive = false;
    this.#response.writeHead(head.status, head.reason, headers);
    // Head and body leave in one packet when both are there; a stream's head must not wait for its body.
    if (head.framing.kind !== 'length') this.#response.flushHeaders();
  }

  sendData(data: Buffer): boolean {
    const isFlowing = this.#response.write(data);
    if (!isFlowing) this.#response.once('drain', () => this.exchange?.connection?.resume());
    return isFlowing;
  }

  end(): void {
    this.#response.end();
  }

  refuse(status: number, sentence: string): void {
    answer(this.#response, status, sentence);
  }

  abort(): void {
    this.#response.destroy();
  }
}

export function answer(response: ServerResponse, status: number, sentence: string): void {
  if (response.destroyed || response.headersSent) return;
  const body = `tidegate router: ${sentence}\n`;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-tidegate-router': 'refused',
  });
  response.end(body);
}

export function refuseBody(request: IncomingMessage, response: ServerResponse, maxBytes: number): void {
  response.setHeader('connection', 'close');
  answer(response, 413, `expected a body of at most ${maxBytes} bytes`);
  request.resume();
}
