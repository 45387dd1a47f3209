import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { integrated, recordAll, someChange, testLedger, type TestLedger, until } from '../../../test/support/ledger.ts';
import { ledgerSize } from '../ledger/ledger.store.ts';
import type { Event } from './event.ts';
import { type EventFeed, type Subscription, startEventFeed } from './event-feed.ts';
import { listEvents } from './event.store.ts';

let database: TestDatabase;
let ledger: TestLedger;
let feed: EventFeed;
let readers: AbortController[] = [];

beforeAll(async () => {
  database = await testDatabase();
  ledger = testLedger(database.url);
  feed = startEventFeed({ url: database.url, db: database.db, log: { info: () => {}, warn: () => {} } });
});
afterEach(() => {
  for (const reader of readers) reader.abort();
  readers = [];
});
afterAll(async () => {
  await feed.stop();
  await ledger.sequencer.stop();
  await database.close();
});

interface Reader {
  readonly got: Event[];
  readonly done: Promise<void>;
  stop(): void;
}

/** Reads for as long as the test lasts. */
function read(subscription: Omit<Subscription, 'signal'>, between: () => Promise<unknown> = async () => {}): Reader {
  const stopping = new AbortController();
  readers.push(stopping);
  const got: Event[] = [];
  const run = async (): Promise<void> => {
    for await (const event of feed.subscribe({ ...subscription, signal: stopping.signal })) {
      got.push(event);
      await between();
    }
  };
  return { got, done: run(), stop: () => stopping.abort() };
}

function idsOf(reader: Reader): number[] {
  return reader.got.map(({ id }) => id);
}

function upTo(size: number, from = 1): number[] {
  return Array.from({ length: size - from + 1 }, (_, at) => from + at);
}

async function record(count: number, subject = 'release/shop@1'): Promise<number> {
  await recordAll(
    database.db,
    Array.from({ length: count }, (_, at) => someChange(at, { subject, related: ['application/shop'] })),
  );
  await integrated(database.db);
  return ledgerSize(database.db);
}

test('a subscriber gets what was and what comes, once and in order', async () => {
  await record(5);
  const reader = read({ afterId: 0 });
  const size = await record(5);

  await until(() => reader.got.length >= size);
  expect(idsOf(reader)).toEqual(upTo(size));
});

test('one that names no event gets only what happens from now on', async () => {
  const before = await record(5);
  const reader = read({});
  const size = await record(3);

  await until(() => idsOf(reader).includes(size));
  // From where the feed stood, which may be one look behind the ledger.
  const first = idsOf(reader)[0] ?? 0;
  expect(first).toBeGreaterThan(before - 5);
  expect(idsOf(reader)).toEqual(upTo(size, first));
});

test('a subject’s stream has its own and related events, and no others', async () => {
  const before = await ledgerSize(database.db);
  const own = read({ subject: 'release/only@1', afterId: 0 });
  const related = read({ subject: 'application/shop', afterId: before });
  await record(2, 'release/other@1');
  await record(2, 'release/only@1');
  const size = await record(2, 'release/other@1');

  await until(() => related.got.length >= 6 && own.got.length >= 2);
  expect(idsOf(related)).toEqual(upTo(size, before + 1));
  expect(idsOf(own)).toEqual([before + 3, before + 4]);
  expect((await listEvents(database.db, { subject: 'release/only@1', afterId: before + 3, limit: 10 })).map(({ id }) => id)).toEqual([
    before + 4,
  ]);
});

test('while many write at once, subscribers that come at any moment miss and double nothing', async () => {
  const before = await ledgerSize(database.db);
  const joined: Reader[] = [];
  const writers = Array.from({ length: 4 }, async () => {
    for (let at = 0; at < 60; at += 1) {
      await recordAll(database.db, [someChange(at)]);
      if (at % 20 === 0) joined.push(read({ afterId: before }));
    }
  });
  await Promise.all(writers);
  await integrated(database.db);
  const size = await ledgerSize(database.db);

  await until(() => joined.every((reader) => reader.got.length >= size - before));
  for (const reader of joined) expect(idsOf(reader)).toEqual(upTo(size, before + 1));
});

test('a slow subscriber that falls out of memory reads the rest from the database', async () => {
  const before = await ledgerSize(database.db);
  const gate = Promise.withResolvers<void>();
  const slow = read({ afterId: before }, () => gate.promise);
  await database.db.transaction().execute(async (tx) => {
    await sql`insert into ledger_pending (leaf) select json_build_object('id', n::text, 'at', '', 'actor', 'ada', 'action', 'release.created', 'subject', 'release/' || n)::text from generate_series(1, 2500) as n`.execute(
      tx,
    );
  });
  await integrated(database.db);
  const size = await ledgerSize(database.db);

  gate.resolve();
  await until(() => slow.got.length >= size - before);
  expect(idsOf(slow)).toEqual(upTo(size, before + 1));
});

test('a feed that lost its connection listens again and has lost nothing', async () => {
  const before = await ledgerSize(database.db);
  const reader = read({ afterId: before });
  for (let round = 0; round < 3; round += 1) {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tidegate event feed'`.execute(
      database.db,
    );
    await record(3);
  }
  const size = await ledgerSize(database.db);

  await until(() => reader.got.length >= size - before);
  expect(idsOf(reader)).toEqual(upTo(size, before + 1));
});

test('aborting ends a subscription that waits', async () => {
  const reader = read({});
  reader.stop();

  await reader.done;
  expect(reader.got).toEqual([]);
});
