import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { connectDatabase } from './connect.ts';
import type { Transaction } from './database.ts';
import { transact } from './retry.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  await sql`create table counter (id int primary key, n int not null)`.execute(database.db);
  await sql`insert into counter values (1, 0), (2, 0)`.execute(database.db);
});
afterAll(() => database.close());

async function add(tx: Transaction, id: number): Promise<void> {
  await sql`update counter set n = n + 1 where id = ${id}`.execute(tx);
}

async function valueOf(id: number): Promise<number | undefined> {
  return (await sql<{ n: number }>`select n from counter where id = ${id}`.execute(database.db)).rows[0]?.n;
}

test('two transactions that deadlock both succeed in the end, each written once', async () => {
  const met = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  let runs = 0;
  const both = (mine: 0 | 1): Promise<void> =>
    transact(database.db, async (tx) => {
      runs += 1;
      await add(tx, mine + 1);
      met[mine].resolve();
      await met[1 - mine]?.promise;
      await add(tx, 2 - mine);
    });

  await Promise.all([both(0), both(1)]);

  expect([await valueOf(1), await valueOf(2)]).toEqual([2, 2]);
  expect(runs).toBe(3);
});

test('a serialization failure runs the whole function again on what is there now', async () => {
  let runs = 0;

  await transact(
    database.db,
    async (tx) => {
      runs += 1;
      const { rows } = await sql<{ n: number }>`select n from counter where id = 1`.execute(tx);
      if (runs === 1) await sql`update counter set n = 10 where id = 1`.execute(database.db);
      await sql`update counter set n = ${(rows[0]?.n ?? 0) + 1} where id = 1`.execute(tx);
    },
    { isolation: 'repeatable read' },
  );

  expect(await valueOf(1)).toBe(11);
});

test('a connection lost before COMMIT is no loss: the transaction runs again, written once', async () => {
  const before = (await valueOf(2)) ?? 0;
  let runs = 0;

  await transact(database.db, async (tx) => {
    runs += 1;
    await add(tx, 2);
    if (runs === 1) await sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx);
  });

  expect(runs).toBe(2);
  expect(await valueOf(2)).toBe(before + 1);
});

test('a connection lost during COMMIT is never repeated blindly', async () => {
  await sql`create table fragile (id int)`.execute(database.db);
  await sql`create function die() returns trigger language plpgsql as $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$`.execute(
    database.db,
  );
  await sql`create constraint trigger dies after insert on fragile deferrable initially deferred for each row execute function die()`.execute(
    database.db,
  );
  let runs = 0;

  const attempt = transact(database.db, async (tx) => {
    runs += 1;
    await sql`insert into fragile values (1)`.execute(tx);
  });

  await expect(attempt).rejects.toMatchObject({ code: 'database.outcome-unknown', retryable: true });
  expect(runs).toBe(1);
});

test('a violated constraint comes through as it is, at once', async () => {
  let runs = 0;

  const attempt = transact(database.db, async (tx) => {
    runs += 1;
    await sql`insert into counter values (1, 0)`.execute(tx);
  });

  await expect(attempt).rejects.toMatchObject({ code: '23505' });
  expect(runs).toBe(1);
});

test('a database with no connection left is waited for, then a readable fault', async () => {
  await sql`create role crowded login password 'crowded' connection limit 0`.execute(database.db);
  const url = new URL(database.url);
  [url.username, url.password] = ['crowded', 'crowded'];
  const crowded = connectDatabase(url.href, { patienceMs: 400 });

  await expect(sql`select 1`.execute(crowded)).rejects.toMatchObject({ code: 'database.out-of-connections', retryable: true });
  await crowded.destroy();
  await sql`drop role crowded`.execute(database.db);
});

test('a wrong password and a missing database are told apart, and not retried', async () => {
  const url = new URL(database.url);
  url.password = 'wrong';
  const denied = connectDatabase(url.href);
  const missing = connectDatabase(database.url.replace(/\/[^/]*$/, '/nowhere'));

  await expect(sql`select 1`.execute(denied)).rejects.toMatchObject({ code: 'database.access-denied', retryable: false });
  await expect(sql`select 1`.execute(missing)).rejects.toMatchObject({ code: 'database.missing', retryable: false });
  await Promise.all([denied.destroy(), missing.destroy()]);
});
