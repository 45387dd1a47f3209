import createFetchClient from 'openapi-fetch';
import type { Client as FetchClient } from 'openapi-fetch';
import { NoAnswerError, RefusedError, problemOf } from './problem.ts';
import type { paths } from './schema.d.ts';

export { NoAnswerError, RefusedError } from './problem.ts';
export type { Problem } from './problem.ts';
export { watchEvents } from './watch.ts';
export type { WatchedEvent } from './watch.ts';

export interface ClientOptions {
  /** `http://127.0.0.1:4400` */
  readonly server: string;
  readonly token?: string;
  /** For each attempt. @default 30,000 ms */
  readonly timeoutMs?: number;
  /** Further attempts where repeating is safe. @default 3 */
  readonly retries?: number;
}

export type Client = FetchClient<paths>;

/**
 * The API, typed by its paths. Posts get an Idempotency-Key, so that they may be repeated like reads when the connection
 * breaks; everything else is repeated only when it was certainly not done. Take the answer out with {@link unwrap}.
 */
export function createClient(options: ClientOptions): Client {
  return createFetchClient<paths>({ baseUrl: options.server.replace(/\/+$/, ''), fetch: (request) => send(request, options) });
}

/** The body of an answer, or a RefusedError with everything the server said. */
export async function unwrap<Body>(
  answer: Promise<{ readonly data?: Body; readonly error?: unknown; readonly response: Response }>,
): Promise<Body> {
  const { data, error, response } = await answer;
  if (response.ok) return data as Body;
  throw new RefusedError(problemOf(response.status, error));
}

async function send(request: Request, { server, token, timeoutMs = 30_000, retries = 3 }: ClientOptions): Promise<Response> {
  if (token !== undefined) request.headers.set('authorization', `Bearer ${token}`);
  if (request.method === 'POST' && !request.headers.has('idempotency-key')) request.headers.set('idempotency-key', crypto.randomUUID());
  const repeatable = request.method === 'GET' || request.headers.has('idempotency-key');
  for (let attempt = 0; ; attempt += 1) {
    const last = attempt >= retries || request.signal.aborted;
    const outcome = await attemptOnce(request.clone(), timeoutMs);
    if (outcome instanceof Response) {
      if (last || !shouldRepeat(outcome.status, repeatable)) return outcome;
      await outcome.body?.cancel();
      await pause(retryAfterMs(outcome) ?? backOffMs(attempt), request.signal);
    } else {
      if (last || !(repeatable || neverSent(outcome.error)))
        throw request.signal.aborted ? outcome.error : new NoAnswerError(server, outcome.error);
      await pause(backOffMs(attempt), request.signal);
    }
  }
}

async function attemptOnce(request: Request, timeoutMs: number): Promise<Response | { readonly error: unknown }> {
  try {
    return await fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]) });
  } catch (error) {
    return { error };
  }
}

/** 429 was refused before anything was done; of the others only a repeatable request is repeated. 409 while the first attempt still runs, too. */
function shouldRepeat(status: number, repeatable: boolean): boolean {
  return status === 429 || (repeatable && [502, 503, 504].includes(status));
}

function neverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return typeof first === 'object' && first !== null && 'code' in first && first.code === 'ECONNREFUSED';
}

function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(seconds * 1_000, 30_000) : undefined;
}

/** Doubling from 200 ms, half of it random so that many clients do not come back at once. */
function backOffMs(attempt: number): number {
  const full = 200 * 2 ** Math.min(attempt, 5);
  return full / 2 + (Math.random() * full) / 2;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = (): void => resolve();
  signal.addEventListener('abort', stop, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
}
