import { sql } from 'kysely';
import type { Database, Transaction } from '../../src/platform/database/database.ts';
import { transact } from '../../src/platform/database/retry.ts';
import { type Lease, type Next, type Queue, type QueueLog, type Reconciler, startQueue } from '../../src/platform/queue/index.ts';
import { testDatabase } from './database.ts';

/**
 * A little world to reconcile: each key wants a number of actions and counts those done. Every action leaves its token, its
 * holder and its beginning and end, so a test can prove that nobody overlapped and nothing was done twice.
 */
export async function makeWorld(db: Database): Promise<void> {
  await sql`create table if not exists world (key text primary key, wanted integer not null default 0, done integer not null default 0)`.execute(
    db,
  );
  await sql`create table if not exists action (id bigint generated always as identity, key text not null, nth integer not null,
    token bigint not null, process integer not null, started timestamptz not null, ended timestamptz not null)`.execute(db);
}

/** Wants one more action of each key, and wakes in the same transaction. */
export async function want(queue: Pick<Queue, 'wake'>, db: Database, keys: readonly string[]): Promise<void> {
  await transact(db, (tx) => wantIn(queue, tx, keys));
}

export async function wantIn(queue: Pick<Queue, 'wake'>, tx: Transaction, keys: readonly string[]): Promise<void> {
  for (const key of [...keys].sort()) {
    await sql`insert into world as w (key, wanted) values (${key}, 1) on conflict (key) do update set wanted = w.wanted + 1`.execute(tx);
  }
  await queue.wake(tx, keys);
}

/** Does what is wanted, one action at a time; `act` stands for the outside world. */
export function worldStep(db: Database, act: (lease: Lease) => Promise<void> = async () => {}): (lease: Lease) => Promise<Next> {
  return async (lease) => {
    const { wanted, done } = await loadKey(db, lease.key);
    if (done >= wanted) return { kind: 'sleep' };
    // As text: a Date would cut off the microseconds, and one action would seem to begin before the last one ended.
    const { rows } = await sql<{ at: string }>`select clock_timestamp()::text as at`.execute(db);
    await act(lease);
    await transact(db, async (tx) => {
      await lease.guard(tx);
      await sql`update world set done = ${done + 1} where key = ${lease.key}`.execute(tx);
      await sql`insert into action (key, nth, token, process, started, ended)
        values (${lease.key}, ${done + 1}, ${lease.token}, ${process.pid}, ${rows[0]?.at}::timestamptz, clock_timestamp())`.execute(tx);
    });
    return done + 1 < wanted ? { kind: 'again' } : { kind: 'sleep' };
  };
}

/** The same without a trace: one read, one guarded transaction with one update. What a benchmark counts as an action. */
export function leanStep(db: Database): (lease: Lease) => Promise<Next> {
  return async (lease) => {
    const { wanted, done } = await loadKey(db, lease.key);
    if (done >= wanted) return { kind: 'sleep' };
    await transact(db, async (tx) => {
      await lease.guard(tx);
      await sql`update world set done = ${done + 1} where key = ${lease.key}`.execute(tx);
    });
    return done + 1 < wanted ? { kind: 'again' } : { kind: 'sleep' };
  };
}

export async function loadKey(db: Database, key: string): Promise<{ wanted: number; done: number }> {
  const { rows } = await sql<{ wanted: number; done: number }>`select wanted, done from world where key = ${key}`.execute(db);
  return rows[0] ?? { wanted: 0, done: 0 };
}

/** Keys that begin so and have fewer actions than wanted. */
export async function countUndone(db: Database, prefix: string): Promise<number> {
  const { rows } = await sql<{
    n: number;
  }>`select count(*)::int as n from world where done < wanted and starts_with(key, ${prefix})`.execute(db);
  return rows[0]?.n ?? 0;
}

export function reconciler(parts: Partial<Reconciler> & Pick<Reconciler, 'step'>): Reconciler {
  return { concurrency: 2, giveUp: async () => {}, retry: { maxAttempts: 5, firstMs: 50, maxMs: 1_000 }, ...parts };
}

/** Keeps what was logged, so that a test can read it. */
export function listLog(): QueueLog & { readonly lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (facts: object, sentence: string) => {
    lines.push(`${level} ${sentence} ${JSON.stringify(facts)}`);
  };
  return { lines, info: write('info'), warn: write('warn'), error: write('error') };
}

/** Keys of which two actions ran at once. */
export async function findOverlaps(db: Database): Promise<readonly string[]> {
  const { rows } = await sql<{ key: string }>`select distinct a.key from action a join action b on a.key = b.key and a.id < b.id
    where b.started < a.ended`.execute(db);
  return rows.map(({ key }) => key);
}

/** Keys of which one action was done more than once. */
export async function findRepeats(db: Database): Promise<readonly string[]> {
  const { rows } = await sql<{ key: string }>`select key from action group by key, nth having count(*) > 1`.execute(db);
  return rows.map(({ key }) => key);
}

export interface TestQueues {
  readonly db: Database;
  readonly url: string;
  /** A queue as another process would have it. */
  open(): Promise<Queue>;
  /** After each test. */
  stopAll(): Promise<void>;
  close(): Promise<void>;
}

/** A database of its own with a little world in it, and any number of queues on it. */
export async function testQueues(): Promise<TestQueues> {
  const database = await testDatabase();
  await makeWorld(database.db);
  const opened: Queue[] = [];
  const stopAll = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((queue) => queue.stop()));
  };
  return {
    db: database.db,
    url: database.url,
    async open() {
      const queue = await startQueue({ databaseUrl: database.url, db: database.db, applicationName: 'queue test', log: listLog() });
      opened.push(queue);
      return queue;
    },
    stopAll,
    async close() {
      await stopAll();
      await database.close();
    },
  };
}
