import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { loadKey, type TestQueues, testQueues } from '../../../test/support/reconcile.ts';
import type { Transaction } from '../database/database.ts';
import { transact } from '../database/retry.ts';
import type { Queue } from './index.ts';
import { type Claim, guardLease, type HeldLease, takeLease } from './lease.store.ts';

let queues: TestQueues;
let queue: Queue;

beforeAll(async () => {
  queues = await testQueues();
  queue = await queues.open();
});
afterAll(async () => {
  await queues.close();
});

/** What pg-boss does when a worker fetches: nobody works here, so that the test can stand at any instant. */
async function fetchJob(key: string): Promise<Claim> {
  const { rows } = await sql<{
    id: string;
    retry_count: number;
  }>`update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now(),
    retry_count = case when started_on is null then retry_count else retry_count + 1 end
    where name = 'reconcile' and singleton_key = ${key} and state < 'active' returning id, retry_count`.execute(queues.db);
  const row = rows[0];
  if (!row) throw new Error(`expected a queued job of ${key}, got none`);
  return { jobId: row.id, retryCount: row.retry_count };
}

/** What its monitor does when a heartbeat is missing: the row is deleted, and put back as `retry` under the same id. */
async function loseJob({ jobId }: Claim): Promise<void> {
  await sql`with gone as (delete from pgboss.job where name = 'reconcile' and id = ${jobId}::uuid returning *)
    insert into pgboss.job (id, name, data, state, singleton_key, policy, retry_count, started_on, start_after)
    select id, name, data, 'retry', singleton_key, policy, retry_count, started_on, now() from gone`.execute(queues.db);
}

async function hold(key: string): Promise<HeldLease> {
  await transact(queues.db, (tx) => queue.wake(tx, [key]));
  return takeAgain(key);
}

async function takeAgain(key: string): Promise<HeldLease> {
  const held = await takeLease(queues.db, { key, claim: await fetchJob(key), holder: 'test' });
  if (!held) throw new Error(`expected to take ${key}, got a claim that is gone`);
  return held;
}

async function writeGuarded(held: HeldLease, before: () => Promise<void> = async () => {}): Promise<void> {
  await queues.db.transaction().execute(async (tx: Transaction) => {
    await sql`insert into world as w (key, done) values (${held.key}, 1) on conflict (key) do update set done = w.done + 1`.execute(tx);
    await guardLease(tx, held, 'step');
    await before();
  });
}

const lost = expect.objectContaining({ code: 'lease.lost', retryable: true });

test('a transaction under a lease that stands commits', async () => {
  const held = await hold('stands');

  await writeGuarded(held);

  expect(await loadKey(queues.db, 'stands')).toMatchObject({ done: 1 });
  expect(await queue.findStanding('stands')).toMatchObject({ token: held.token, steps: 1, holder: 'test' });
});

test('a transaction under a lease that was taken over is rolled back, and the successor has the higher token', async () => {
  const held = await hold('taken-over');
  await loseJob(held.claim);
  const successor = await takeAgain('taken-over');

  await expect(writeGuarded(held)).rejects.toThrow(lost);

  expect(await loadKey(queues.db, 'taken-over')).toMatchObject({ done: 0 });
  expect(successor.token).toBeGreaterThan(held.token);
  await writeGuarded(successor);
});

test('a transaction under a lease whose job was lost is rolled back before anybody has taken the key over', async () => {
  const held = await hold('lost');
  await loseJob(held.claim);

  await expect(writeGuarded(held)).rejects.toThrow(lost);
});

test('a transaction under a lease whose job has ended is rolled back', async () => {
  const held = await hold('ended');
  await sql`update pgboss.job set state = 'completed' where id = ${held.claim.jobId}::uuid`.execute(queues.db);

  await expect(writeGuarded(held)).rejects.toThrow(lost);
});

test('a job that was restored by hand has the same attempt number, and its old lease is refused all the same', async () => {
  const held = await hold('restored');
  await sql`update pgboss.job set state = 'created', started_on = null where id = ${held.claim.jobId}::uuid`.execute(queues.db);
  const successor = await takeAgain('restored');
  expect(successor.claim).toEqual(held.claim);

  await expect(writeGuarded(held)).rejects.toThrow(lost);
});

test('who lost the job before taking the key draws no token, so the successor stays the newest', async () => {
  await transact(queues.db, (tx) => queue.wake(tx, ['slept']));
  const stale = await fetchJob('slept');
  await loseJob(stale);
  const successor = await takeAgain('slept');

  expect(await takeLease(queues.db, { key: 'slept', claim: stale, holder: 'sleeper' })).toBeUndefined();

  await writeGuarded(successor);
});

test('nobody can take a key over between a guard and its commit', async () => {
  const held = await hold('in-between');
  let losing: Promise<void> | undefined;
  let lostAlready = false;

  await writeGuarded(held, async () => {
    losing = loseJob(held.claim).finally(() => {
      lostAlready = true;
    });
    await vi.waitFor(async () => expect(await countWaiting()).toBe(1), { timeout: 5_000, interval: 20 });
    expect(lostAlready).toBe(false);
  });
  await losing;

  expect(await loadKey(queues.db, 'in-between')).toMatchObject({ done: 1 });
  expect((await takeAgain('in-between')).token).toBeGreaterThan(held.token);
});

test('a heartbeat does not wait for a guarded transaction', async () => {
  const held = await hold('beating');

  await writeGuarded(held, async () => {
    const beat = await sql`update pgboss.job set heartbeat_on = now() where id = ${held.claim.jobId}::uuid`.execute(queues.db);
    expect(beat.numAffectedRows).toBe(1n);
  });
});

async function countWaiting(): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(queues.db);
  return rows[0]?.n ?? 0;
}
