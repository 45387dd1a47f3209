import { NoAnswerError, RefusedError, problemOf } from './problem.ts';

/** A CloudEvent as the stream carries it. */
export interface WatchedEvent {
  readonly id: number;
  readonly type: string;
  readonly [member: string]: unknown;
}

export interface WatchOptions {
  readonly server: string;
  readonly token?: string;
  /** Only events of this subject or related to it: `release/storefront@1.1.0`. */
  readonly subject?: string;
  /** Start after this event; left out: from now on. */
  readonly after?: number;
  readonly signal?: AbortSignal;
  /** How long to go on trying while the server is away. @default 60,000 ms */
  readonly patienceMs?: number;
  /** First pause before coming back; it doubles up to eight times. @default 250 ms */
  readonly pauseMs?: number;
}

/** A server that sends nothing, not even its heartbeat (15 s), is taken for gone. */
const silentForMs = 45_000;

/**
 * Events as they happen: when the connection breaks, it is made again after the last event seen, so that none comes twice
 * and none is left out once a first one (or `after`) is known. Ends when `signal` aborts; throws RefusedError when the
 * server refuses, NoAnswerError when it stays away.
 */
export async function* watchEvents(options: WatchOptions): AsyncGenerator<WatchedEvent, void, undefined> {
  const { signal, patienceMs = 60_000, pauseMs = 250 } = options;
  let after = options.after;
  let heardAt = performance.now();
  for (let pause = pauseMs; !isAborted(signal); pause = Math.min(pause * 2, pauseMs * 8)) {
    try {
      for await (const event of readStream({ ...options, ...(after !== undefined && { after }) })) {
        heardAt = performance.now();
        pause = pauseMs;
        if (event === 'alive') continue;
        after = event.id;
        yield event;
      }
    } catch (error) {
      if (isAborted(signal)) return;
      if (error instanceof RefusedError && error.status < 500 && error.status !== 429) throw error;
      if (performance.now() - heardAt > patienceMs) throw error instanceof RefusedError ? error : new NoAnswerError(options.server, error);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

async function* readStream(options: WatchOptions): AsyncGenerator<WatchedEvent | 'alive', void, undefined> {
  const url = new URL('/api/v1/events', options.server);
  if (options.subject !== undefined) url.searchParams.set('subject', options.subject);
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), silentForMs);
  try {
    const response = await fetch(url, {
      headers: {
        accept: 'text/event-stream',
        ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
        ...(options.after !== undefined && { 'last-event-id': String(options.after) }),
      },
      signal: options.signal ? AbortSignal.any([options.signal, silence.signal]) : silence.signal,
    });
    if (!response.ok || response.body === null)
      throw new RefusedError(problemOf(response.status, await response.json().catch(() => undefined)));
    let buffered = '';
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silentForMs);
      const blocks = `${buffered}${text}`.split('\n\n');
      buffered = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = block.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []));
        yield data.length > 0 ? (JSON.parse(data.join('\n')) as WatchedEvent) : 'alive';
      }
    }
  } finally {
    clearTimeout(timer);
  }
}
