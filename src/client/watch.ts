import { NoAnswerError, RefusedError, problemOf } from './problem.ts';

/** A CloudEvent, and where it stands. */
export interface WatchedEvent {
  /** Rises with each event, the same for everybody: what `after` goes on from. */
  readonly position: number;
  readonly type: string;
  readonly event: CloudEvent;
}

/** CloudEvents 1.0 in JSON; `data` is a CDEvent, and `data.customData` what the ledger holds. */
export interface CloudEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: { readonly customData?: unknown; readonly [member: string]: unknown };
  readonly [attribute: string]: unknown;
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
        after = event.position;
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
        yield parseBlock(block) ?? 'alive';
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

/** One event of a stream; undefined for what only keeps it alive. */
function parseBlock(block: string): WatchedEvent | undefined {
  const fields = block.split('\n').map((line) => /^(id|event|data): ?(.*)$/.exec(line) ?? []);
  const valueOf = (name: string): string[] => fields.flatMap(([, field, value]) => (field === name && value !== undefined ? [value] : []));
  const data = valueOf('data');
  if (data.length === 0) return undefined;
  return { position: Number(valueOf('id')[0]), type: valueOf('event')[0] ?? 'message', event: JSON.parse(data.join('\n')) as CloudEvent };
}
