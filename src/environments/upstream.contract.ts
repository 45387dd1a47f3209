import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { createServer as createNetServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A real HTTP application behind a router under test, one per version. */
export interface TestUpstream {
  readonly version: string;
  readonly url: string;
  /** Requests that arrived, by method and path. */
  readonly received: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly version: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/**
 * Paths: `/ok` · `/fail` (500) · `/slow` (answers when `?ms=` are over) · `/break` (ends the connection) · `/echo` (headers and
 * length of the body) · `/stream` (two chunks, the second after `?ms=`).
 */
export async function startUpstream(version: string, port = 0): Promise<TestUpstream> {
  const received = new Map<string, number>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://upstream');
    const key = `${request.method} ${url.pathname}`;
    received.set(key, (received.get(key) ?? 0) + 1);
    const ms = Number(url.searchParams.get('ms') ?? 0);
    if (url.pathname === '/break') return void request.socket.destroy();
    if (url.pathname === '/slow') return void setTimeout(() => response.end(version), ms);
    if (url.pathname === '/echo') return echo(request, (text) => response.end(text));
    if (url.pathname === '/stream') {
      response.write('first,');
      return void setTimeout(() => response.end('second'), ms);
    }
    response.writeHead(url.pathname === '/fail' ? 500 : 200, { 'content-type': 'text/plain' });
    return response.end(version);
  });
  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  return { version, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, close: () => closeServer(server) };
}

function echo(request: IncomingMessage, done: (text: string) => void): void {
  let bytes = 0;
  request.on('data', (data: Buffer) => {
    bytes += data.length;
  });
  request.on('end', () => done(JSON.stringify({ bytes, headers: request.headers, url: request.url })));
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

export async function freePort(): Promise<number> {
  const server = createNetServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return port;
}

export interface ClientRequest {
  readonly port: number;
  readonly path: string;
  readonly user?: string | undefined;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

/** Users of a lane, over kept-alive connections. A connection error rejects. */
export class TestClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  async send({ port, path, user, method = 'GET', headers = {}, body }: ClientRequest): Promise<Answer> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port,
          path,
          method,
          headers: { ...headers, ...(user === undefined ? {} : { 'x-user-id': user }) },
        },
        resolve,
      );
      request.once('error', reject);
      request.end(body);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const version = response.headers['x-tidegate-version'];
    return {
      status: response.statusCode ?? 0,
      version: typeof version === 'string' ? version : undefined,
      headers: response.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Runs `work` for each item, `width` at a time. */
export async function eachOf<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as T);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return results;
}

/** Waits until `condition` holds; throws with `what` after `withinMs`. */
export async function until<T>(what: string, condition: () => Promise<T | undefined | false>, withinMs = 15_000): Promise<T> {
  const end = performance.now() + withinMs;
  while (performance.now() < end) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    await delay(20);
  }
  throw new Error(`expected ${what} within ${withinMs} ms, got none`);
}
