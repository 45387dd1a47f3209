import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Fault } from '../fault.ts';
import { schemaOf } from './openapi.api.ts';
import { compileInput } from './request-input.ts';
import type { Route, StreamedEvent } from './route.ts';
import type { HttpSettings } from './settings.ts';

declare module 'fastify' {
  interface FastifyInstance {
    openStreams: OpenStreams;
  }
}

/** A reader that takes nothing for this long is cut off; it resumes with Last-Event-ID. */
const stalledAfterMs = 30_000;

/** The event streams that are open now: counted per principal, ended when the server stops. */
class OpenStreams {
  readonly heartbeatMs: number;
  readonly #perPrincipal: number;
  readonly #open = new Set<{ readonly principal: string; readonly abort: AbortController }>();

  constructor(settings: HttpSettings) {
    this.heartbeatMs = settings.heartbeatMs;
    this.#perPrincipal = settings.streamsPerPrincipal;
  }

  get size(): number {
    return this.#open.size;
  }

  begin(principal: string): { readonly abort: AbortController; end(): void } {
    const held = [...this.#open].filter((stream) => stream.principal === principal).length;
    if (held >= this.#perPrincipal) {
      throw new Fault({
        code: 'stream.too-many',
        status: 429,
        message: `expected at most ${this.#perPrincipal} open event streams, got one more`,
        remedy: 'Close one first.',
        extra: { retryAfterSeconds: 5 },
      });
    }
    const stream = { principal, abort: new AbortController() };
    this.#open.add(stream);
    return { abort: stream.abort, end: () => this.#open.delete(stream) };
  }

  endAll(): void {
    for (const { abort } of this.#open) abort.abort();
  }
}

export function addStreams(app: FastifyInstance, settings: HttpSettings): void {
  const streams = new OpenStreams(settings);
  app.decorate('openStreams', streams);
  app.addHook('preClose', async () => streams.endAll());
}

export function mountStream(app: FastifyInstance, route: Extract<Route, { kind: 'stream' }>): void {
  const input = compileInput({ ...(route.query && { query: route.query }) }, `GET ${route.path}`);
  app.route({
    method: 'GET',
    url: route.path,
    config: { permission: route.access },
    schema: schemaOf(route),
    handler: async (request, reply) => {
      const { query } = input({ params: undefined, query: request.query, body: undefined });
      const afterId = lastEventId(request);
      const stream = app.openStreams.begin(request.principal.name);
      const gone = (): void => stream.abort.abort();
      request.raw.socket.once('close', gone);
      try {
        const events = route.events({ query, principal: request.principal, afterId, signal: stream.abort.signal });
        const recheck = async (): Promise<void> => {
          if (!(await app.mayStill(request))) gone();
        };
        await writeEvents({
          request,
          reply,
          events,
          signal: stream.abort.signal,
          heartbeatMs: app.openStreams.heartbeatMs,
          abort: gone,
          recheck,
        });
      } finally {
        request.raw.socket.off('close', gone);
        stream.abort.abort();
        stream.end();
      }
    },
  });
}

function lastEventId(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id'];
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header);
  throw new Fault({
    code: 'stream.last-event-id',
    status: 400,
    message: 'expected Last-Event-ID to be the id of an earlier event, got something else',
    remedy: 'Leave it out to start from now.',
  });
}

interface Writing {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly events: AsyncIterable<StreamedEvent>;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
  readonly abort: () => void;
  /** Ends the stream when its token or permission is gone. */
  readonly recheck: () => Promise<void>;
}

async function writeEvents({ request, reply, events, signal, heartbeatMs, abort, recheck }: Writing): Promise<void> {
  const iterator = events[Symbol.asyncIterator]();
  reply.hijack();
  const raw = reply.raw;
  raw.on('error', abort);
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-request-id': request.id,
  });
  // Answers at once, so that a client knows the stream is open before the first event.
  raw.write(': open\n\nretry: 2000\n\n');
  const heartbeat = setInterval(() => {
    if (!raw.writableNeedDrain) raw.write(': \n\n');
    void recheck();
  }, heartbeatMs);
  try {
    for (let next = await iterator.next(); next.done !== true && !signal.aborted; next = await iterator.next()) {
      if (!raw.write(textOf(next.value))) await drained(raw, signal);
    }
  } catch (error) {
    // The status line is out, so all that can be told is the end: the client comes back with the last event it saw.
    if (!signal.aborted) request.log.error({ err: error }, 'event stream broken off');
  } finally {
    clearInterval(heartbeat);
    await iterator.return?.();
    raw.end();
  }
}

function textOf(event: StreamedEvent): string {
  return `id: ${event.id}\nevent: ${event.type.replaceAll(/[\r\n]/g, ' ')}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Waits until the reader has taken what is buffered, so that a slow reader costs no memory. */
async function drained(raw: ServerResponse, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`the reader took nothing for ${stalledAfterMs} ms`)), stalledAfterMs);
  const done = (): void => resolve();
  raw.once('drain', done);
  signal.addEventListener('abort', done, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    raw.off('drain', done);
    signal.removeEventListener('abort', done);
  }
}
