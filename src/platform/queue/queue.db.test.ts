import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { countUndone, listLog, loadKey, makeWorld, reconciler, want, wantIn, worldStep } from '../../../test/support/reconcile.ts';
import { transact } from '../database/retry.ts';
import { Fault } from '../fault.ts';
import { type Lease, type Queue, startQueue } from './index.ts';

let database: TestDatabase;
const open: Queue[] = [];
const log = listLog();

beforeAll(async () => {
  database = await testDatabase();
  await makeWorld(database.db);
});
afterEach(async () => {
  for (const queue of open.splice(0)) await queue.stop();
});
afterAll(async () => {
  await database.close();
});

async function openQueue(): Promise<Queue> {
  const queue = await startQueue({ databaseUrl: database.url, db: database.db, applicationName: 'queue test', log });
  open.push(queue);
  return queue;
}

const soon = { timeout: 10_000, interval: 20 };

test('many processes may start at once on an empty database', async () => {
  const queues = await Promise.all(Array.from({ length: 5 }, openQueue));

  expect(queues).toHaveLength(5);
});

test('a wake that commits leads to a step', async () => {
  const queue = await openQueue();
  await queue.work(reconciler({ step: worldStep(database.db) }));

  await want(queue, database.db, ['simple']);

  await vi.waitFor(async () => expect(await loadKey(database.db, 'simple')).toEqual({ wanted: 1, done: 1 }), soon);
});

test('a wake in a transaction that rolls back does nothing', async () => {
  const queue = await openQueue();
  const stepped: string[] = [];
  await queue.work(
    reconciler({
      step: async (lease) => {
        stepped.push(lease.key);
        return { kind: 'sleep' };
      },
    }),
  );

  await expect(
    database.db.transaction().execute(async (tx) => {
      await wantIn(queue, tx, ['rolled-back']);
      throw new Error('changed my mind');
    }),
  ).rejects.toThrow('changed my mind');
  await want(queue, database.db, ['committed']);

  await vi.waitFor(() => expect(stepped).toContain('committed'), soon);
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from pgboss.job where singleton_key = 'rolled-back'`.execute(database.db);
  expect(rows[0]?.n).toBe(0);
  expect(stepped).not.toContain('rolled-back');
});

test('a wake during a running step leads to another step', async () => {
  const queue = await openQueue();
  const entered = Promise.withResolvers<void>();
  const leave = Promise.withResolvers<void>();
  let steps = 0;
  await queue.work(
    reconciler({
      step: async () => {
        steps += 1;
        entered.resolve();
        if (steps === 1) await leave.promise;
        return { kind: 'sleep' };
      },
    }),
  );
  await transact(database.db, (tx) => queue.wake(tx, ['busy']));
  await entered.promise;

  await transact(database.db, (tx) => queue.wake(tx, ['busy']));
  leave.resolve();

  await vi.waitFor(() => expect(steps).toBe(2), soon);
});
