import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { poolConfig } from '../database/connect.ts';
import type { Database } from '../database/database.ts';
import { isUnavailable } from '../database/faults.ts';
import { backOffMs } from '../database/retry.ts';
import { ledgerChannel } from '../ledger/channel.ts';
import { ledgerSize } from '../ledger/ledger.store.ts';
import { type Event } from './event.ts';
import { listEvents } from './event.store.ts';

export interface EventFeedOptions {
  /** For the connection that listens. */
  readonly url: string;
  /** For the reads. */
  readonly db: Database;
  readonly log: EventFeedLog;
  /** CloudEvents `source`. */
  readonly source?: string;
  /** Looks for events this often without being told, should a notification get lost. Default 1,000. */
  readonly pollMs?: number;
}

export interface EventFeedLog {
  info(facts: object, sentence: string): void;
  warn(facts: object, sentence: string): void;
}

export interface Subscription {
  /** Own or related subject; absent: everything. */
  readonly subject?: string;
  /** The last event seen; 0 for all there ever were; absent: only what happens from now on. */
  readonly afterId?: number;
  readonly signal: AbortSignal;
}

export interface EventFeed {
  /**
   * Every event after `afterId` once, in order, until the signal aborts or the feed stops. A subscriber holds no buffer:
   * one that is slow reads from the database later. Survives the loss of the database. Usable without `this`.
   */
  readonly subscribe: (subscription: Subscription) => AsyncIterable<Event>;
  /** Ends every subscription, and waits for their reads. */
  stop(): Promise<void>;
}

/** Events of a subscriber, in order. */
interface Stretch {
  readonly events: readonly Event[];
  /** There are no others up to and with this id. */
  readonly upTo: number;
}

/** Events kept in memory for subscribers that are up to date; others read pages of this size from the database. */
const WINDOW = 1_000;
const PAGE = 200;

/**
 * One LISTEN connection per process for any number of subscribers. The order of events is the order of the ledger, given
 * by its one sequencer, so ids become visible in order: a reader that remembers the last id it saw has seen all before it.
 */
export function startEventFeed(options: EventFeedOptions): EventFeed {
  const feed = new Feed(options);
  return { subscribe: (subscription) => feed.subscribe(subscription), stop: () => feed.stop() };
}

class Feed {
  readonly #options: EventFeedOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #reads = new Set<Promise<unknown>>();
  /** The newest events, without a gap; `#head` is the id of the last, or where the feed started. */
  #window: Event[] = [];
  #head: number | undefined;
  /** Resolved and replaced whenever there is something new. */
  #news = Promise.withResolvers<void>();

  constructor(options: EventFeedOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async *subscribe({ subject, afterId, signal }: Subscription): AsyncGenerator<Event> {
    const over = AbortSignal.any([signal, this.#stopping.signal]);
    let after = afterId ?? (await this.#whenStarted(over));
    while (after !== undefined && !over.aborted) {
      const news = this.#news.promise;
      const { events, upTo } = await this.#eventsWhenThere(after, subject, over);
      for (const event of events) {
        if (over.aborted) return;
        yield event;
      }
      after = Math.max(after, upTo);
      if (events.length === 0) await settled(news, over);
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await Promise.allSettled(this.#reads);
  }

  /** From memory when the window reaches back far enough, from the database otherwise. */
  async #eventsAfter(after: number, subject: string | undefined): Promise<Stretch> {
    const head = this.#head ?? 0;
    const first = this.#window[0]?.id ?? head + 1;
    if (this.#head !== undefined && after >= first - 1) {
      const events = this.#window
        .slice(Math.max(0, after - first + 1))
        .filter(({ subjects }) => subject === undefined || subjects.includes(subject));
      return { events, upTo: head };
    }
    const events = await this.#list({ ...(subject !== undefined && { subject }), afterId: after }, PAGE);
    const last = events.at(-1)?.id ?? after;
    return { events, upTo: events.length < PAGE ? Math.max(head, last) : last };
  }

  /** A subscriber outlives the database: it is read again once it is back. */
  async #eventsWhenThere(after: number, subject: string | undefined, over: AbortSignal): Promise<Stretch> {
    for (let attempt = 1; !over.aborted; attempt += 1) {
      try {
        return await this.#eventsAfter(after, subject);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        await settled(sleep(backOffMs(attempt, { firstMs: 100 }), undefined, { signal: over }), over);
      }
    }
    return { events: [], upTo: after };
  }

  #list(page: { readonly subject?: string; readonly afterId: number }, limit: number): Promise<readonly Event[]> {
    const { db, source } = this.#options;
    const reading = listEvents(db, { ...page, limit, ...(source !== undefined && { source }) });
    this.#reads.add(reading);
    return reading.finally(() => this.#reads.delete(reading));
  }

  async #whenStarted(over: AbortSignal): Promise<number | undefined> {
    while (this.#head === undefined && !over.aborted) await settled(this.#news.promise, over);
    return this.#head;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await this.#listen(signal, () => {
          attempt = 0;
        });
      } catch (error) {
        this.#options.log.warn({ err: error }, 'event feed: lost its connection, will listen again');
        await settled(sleep(backOffMs(attempt, { firstMs: 100 }), undefined, { signal }), signal);
      }
    }
  }

  async #listen(signal: AbortSignal, listening: () => void): Promise<void> {
    const client = new pg.Client(poolConfig(this.#options.url, { applicationName: 'tidegate event feed' }));
    const told = new Bell();
    let lost: unknown;
    client.on('notification', () => told.ring());
    client.on('error', (error) => {
      lost = error;
      told.ring();
    });
    client.on('end', () => {
      lost ??= new Error('the connection was closed');
      told.ring();
    });
    try {
      await client.connect();
      await client.query(`listen ${ledgerChannel}`);
      while (!signal.aborted) {
        if (lost !== undefined) throw lost;
        // Before the look, so that what is announced during it is looked for again.
        told.quiet();
        await this.#look();
        listening();
        await told.wait(this.#options.pollMs ?? 1_000, signal);
      }
    } finally {
      await client.end().catch(() => {});
    }
  }

  async #look(): Promise<void> {
    if (this.#head === undefined) {
      this.#head = await ledgerSize(this.#options.db);
      this.#wake();
      return;
    }
    for (
      let page = await this.#list({ afterId: this.#head }, WINDOW);
      page.length > 0;
      page = await this.#list({ afterId: this.#head }, WINDOW)
    ) {
      this.#window = [...this.#window, ...page].slice(-WINDOW);
      this.#head = page.at(-1)?.id ?? this.#head;
      this.#wake();
      if (page.length < WINDOW) return;
    }
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }
}

/** Rung from outside, waited for in a loop; a ring before the wait is not lost. */
class Bell {
  #rung = Promise.withResolvers<void>();

  ring(): void {
    this.#rung.resolve();
  }

  quiet(): void {
    this.#rung = Promise.withResolvers<void>();
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const timer = new AbortController();
    const either = AbortSignal.any([signal, timer.signal]);
    await Promise.race([this.#rung.promise, sleep(ms, undefined, { signal: either }).catch(() => {})]);
    timer.abort();
  }
}

/** Waits for the promise or the end, whichever is first; never rejects. */
async function settled(promise: Promise<unknown>, over: AbortSignal): Promise<void> {
  if (over.aborted) return;
  const aborted = Promise.withResolvers<void>();
  const abort = (): void => aborted.resolve();
  over.addEventListener('abort', abort, { once: true });
  await Promise.race([promise.catch(() => {}), aborted.promise]);
  over.removeEventListener('abort', abort);
}
