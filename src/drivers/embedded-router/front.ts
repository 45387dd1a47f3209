import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Fault } from '../../platform/fault.ts';
import { Exchange } from './exchange.ts';
import { FastConnection, keepAliveSeconds, type FastConnectionOwner } from './fast-connection.ts';
import { hopByHop, isForgeable, namedHeaders } from './http-head.ts';
import { userCookie, userOf, type IdentityNames } from './identity.ts';
import type { Lane } from './lane.ts';
import { answer, NodeClient, refuseBody, sendBody } from './node-client.ts';
import { openTunnel } from './tunnel.ts';

export interface FrontOptions {
  readonly host: string;
  readonly identity: IdentityNames;
  readonly maxBodyBytes: number;
  /** Behind another proxy: X-Forwarded-* of the client are kept and added to. Otherwise they are replaced. */
  readonly trustForwarded: boolean;
}

/** Longest request head, all headers together. */
const maxRequestHeadBytes = 16_384;

/**
 * Where users come in: one listening port of one lane. Each connection begins on the fast way; the first request on it
 * that is not simple hands it to Node's HTTP server for good.
 */
export class Front implements FastConnectionOwner {
  readonly lane: Lane;
  readonly identity: IdentityNames;
  isClosing = false;
  readonly #options: FrontOptions;
  readonly #server: Server;
  readonly #tunnels = new Set<Socket>();
  readonly #fast = new Set<FastConnection>();
  readonly #serveByNode: (socket: Socket) => void;

  constructor(lane: Lane, options: FrontOptions) {
    this.lane = lane;
    this.identity = options.identity;
    this.#options = options;
    this.#server = createServer(
      {
        maxHeaderSize: maxRequestHeadBytes,
        headersTimeout: 10_000,
        requestTimeout: 300_000,
        keepAliveTimeout: keepAliveSeconds * 1_000,
        connectionsCheckingInterval: 2_000,
        noDelay: true,
        requireHostHeader: true,
        shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
      },
      (request, response) => this.#serve(request, response),
    );
    // The bytes of the head are the limit; a limit on the number would drop headers silently.
    this.#server.maxHeadersCount = 0;
    this.#server.maxConnections = 20_000;
    this.#serveByNode = takeConnectionListener(this.#server);
    if (!options.trustForwarded) this.#server.on('connection', (socket: Socket) => void this.#fast.add(new FastConnection(this, socket)));
    else this.#server.on('connection', this.#serveByNode);
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, first: Buffer) => this.#upgrade(request, socket, first));
  }

  get isListening(): boolean {
    return this.#server.listening;
  }

  /** Fault `router.port-in-use` (409, retryable) when another process listens there. */
  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException): void =>
        reject(cause.code === 'EADDRINUSE' || cause.code === 'EACCES' ? portInUse(port, cause) : cause);
      this.#server.once('error', onError);
      this.#server.listen(port, this.#options.host, 4_096, () => {
        this.#server.off('error', onError);
        resolve();
      });
    });
  }

  handOver(_connection: FastConnection, socket: Socket, data: Buffer): void {
    socket.pause();
    socket.unshift(data);
    this.#serveByNode(socket);
    socket.resume();
  }

  onGone(connection: FastConnection): void {
    this.#fast.delete(connection);
  }

  /** Called about twice a second. */
  sweep(now: number): void {
    for (const connection of this.#fast) connection.sweep(now);
  }

  /** Takes no new connections; requests in flight are finished within `graceMs`. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.isClosing = true;
    this.#server.closeIdleConnections();
    for (const connection of this.#fast) connection.close();
    for (const socket of this.#tunnels) socket.end();
    const force = setTimeout(() => {
      this.#server.closeAllConnections();
      for (const connection of this.#fast) connection.destroy();
      for (const socket of this.#tunnels) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(force);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const length = request.headers['content-length'];
    if (length !== undefined && Number(length) > this.#options.maxBodyBytes)
      return refuseBody(request, response, this.#options.maxBodyBytes);
    const target = originForm(request.url ?? '/', request.method === 'OPTIONS');
    if (target === undefined) return answer(response, 400, 'expected a path as request target');
    if (!hasOneHost(request)) return answer(response, 400, 'expected one Host');
    const known = this.#userOf(request);
    const user = known ?? randomUUID();
    const isChunked = request.headers['transfer-encoding'] !== undefined;
    const hasBody = isChunked || (length !== undefined && length !== '0');
    const isHead = request.method === 'HEAD';
    const upstreamRequest = { head: this.#requestHead(request, target, isChunked), isHead, hasBody };
    const client = new NodeClient(this, response, known === undefined ? userCookie(this.identity.cookie, user) : undefined);
    const mayRetry = !hasBody && (isHead || request.method === 'GET');
    const exchange = new Exchange(this.lane, user, upstreamRequest, { mayRetry, client });
    client.exchange = exchange;
    response.on('close', () => {
      if (!response.writableFinished) exchange.cancel();
    });
    exchange.start();
    if (hasBody) sendBody({ request, response, exchange, isChunked, maxBytes: this.#options.maxBodyBytes });
  }

  #userOf(request: IncomingMessage): string | undefined {
    const header = request.headers[this.#options.identity.header];
    return userOf(typeof header === 'string' ? header : header?.[0], request.headers.cookie, this.#options.identity.cookie);
  }

  #requestHead(request: IncomingMessage, target: string, isChunked: boolean): string {
    const raw = request.rawHeaders;
    const named = namedHeaders(request.headers.connection === undefined ? '' : `,${request.headers.connection}`);
    const { trustForwarded } = this.#options;
    let head = `${request.method} ${target} HTTP/1.1\r\n`;
    for (let i = 0; i < raw.length; i += 2) {
      const name = (raw[i] ?? '').toLowerCase();
      if (hopByHop.has(name) || named.has(name) || name === 'expect' || isForged(name, trustForwarded)) continue;
      if (trustForwarded && name === 'x-forwarded-for') continue;
      head += `${raw[i]}: ${raw[i + 1]}\r\n`;
    }
    if (isChunked) head += 'transfer-encoding: chunked\r\n';
    return `${head}${forwardedHeaders(request, trustForwarded)}\r\n`;
  }

  #upgrade(request: IncomingMessage, socket: Socket, first: Buffer): void {
    const target = originForm(request.url ?? '/', false);
    if (target === undefined) return void socket.destroy();
    this.#tunnels.add(socket);
    socket.once('close', () => this.#tunnels.delete(socket));
    const known = this.#userOf(request);
    const head = this.#requestHead(request, target, false);
    const withUpgrade = `${head.slice(0, -2)}connection: upgrade\r\nupgrade: websocket\r\n\r\n`;
    openTunnel({ lane: this.lane, user: known ?? randomUUID(), head: withUpgrade, socket, first });
  }
}

/** Node's own reader of connections, taken off so that a connection reaches it only when it is needed. */
function takeConnectionListener(server: Server): (socket: Socket) => void {
  const listeners = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  return (socket) => listeners.forEach((listener) => listener.call(server, socket));
}

/** Behind a proxy we trust, its words about the request stay; what names a version is always ours alone. */
function isForged(name: string, trustForwarded: boolean): boolean {
  return isForgeable(name) && !(trustForwarded && !name.replaceAll('_', '-').startsWith('x-tidegate-'));
}

/** RFC 9112 section 3.2: more than one Host is refused, whatever they say. */
function hasOneHost(request: IncomingMessage): boolean {
  return request.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length <= 1;
}

/** The path alone: a proxy that passed a whole URL on would let the upstream see another host than we routed by. */
function originForm(url: string, mayBeStar: boolean): string | undefined {
  if (url.startsWith('/')) return url;
  if (mayBeStar && url === '*') return url;
  const absolute = /^https?:\/\//i.test(url) ? URL.parse(url) : null;
  return absolute ? `${absolute.pathname}${absolute.search}` : undefined;
}

function forwardedHeaders(request: IncomingMessage, trustForwarded: boolean): string {
  const address = request.socket.remoteAddress ?? 'unknown';
  const before = trustForwarded ? request.headers['x-forwarded-for'] : undefined;
  let lines = `x-forwarded-for: ${before === undefined ? '' : `${String(before)}, `}${address}\r\n`;
  if (!trustForwarded || request.headers['x-forwarded-proto'] === undefined) lines += 'x-forwarded-proto: http\r\n';
  if (!trustForwarded || request.headers['x-forwarded-host'] === undefined) lines += `x-forwarded-host: ${request.headers.host ?? ''}\r\n`;
  return lines;
}

function portInUse(port: number, cause: Error): Fault {
  return new Fault({
    code: 'router.port-in-use',
    status: 409,
    message: `expected port ${port} to be free for users, got ${(cause as NodeJS.ErrnoException).code}`,
    remedy: 'Choose another port for this environment, or stop what listens there.',
    retryable: true,
    cause,
  });
}
