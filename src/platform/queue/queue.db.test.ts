import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type CompiledQuery, sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { countUndone, listLog, loadKey, makeWorld, reconciler, want, wantIn, worldStep } from '../../../test/support/reconcile.ts';
import { transact } from '../database/retry.ts';
import { Fault } from '../fault.ts';
import { type Queue, startQueue } from './index.ts';

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
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from pgboss.job where singleton_key = 'rolled-back'`.execute(
    database.db,
  );
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

test('no wake is lost, however writers, commits and four workers interleave, and no key is worked on twice at once', async () => {
  const crew = await Promise.all(Array.from({ length: 4 }, openQueue));
  let naps = [0];
  let turn = 0;
  const step = worldStep(database.db, () => sleep(naps[turn++ % naps.length]));
  for (const queue of crew) await queue.work(reconciler({ step }));
  const write = fc.record({ key: fc.nat(2), beforeMs: fc.nat(12), holdMs: fc.nat(12), writer: fc.nat(3) });
  let run = 0;

  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { minLength: 8, maxLength: 30 }),
      fc.array(fc.nat(8), { minLength: 1, maxLength: 5 }),
      async (writes, pace) => {
        run += 1;
        naps = pace;
        const writers = [0, 1, 2, 3].map(async (writer) => {
          for (const { key, beforeMs, holdMs } of writes.filter((each) => each.writer === writer)) {
            await sleep(beforeMs);
            await transact(database.db, async (tx) => {
              await wantIn(crew[writer] as Queue, tx, [`hammer-${run}-${key}`, `hammer-${run}-all`]);
              await sleep(holdMs);
            });
          }
        });
        await Promise.all(writers);
        await vi.waitFor(async () => expect(await countUndone(database.db, `hammer-${run}-`)).toBe(0), soon);
      },
    ),
    { numRuns: 25, endOnFailure: true },
  );

  const { rows: overlaps } =
    await sql`select a.key from action a join action b on a.key = b.key and a.id < b.id and b.started < a.ended`.execute(database.db);
  expect(overlaps).toEqual([]);
}, 120_000);

test('a key whose job is queued by a transaction in flight waits for its commit', async () => {
  const queue = await openQueue();
  const seen: number[] = [];
  await transact(database.db, (tx) => queue.wake(tx, ['queued-before']));
  const writing = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();

  const writer = transact(database.db, async (tx) => {
    await wantIn(queue, tx, ['queued-before']);
    writing.resolve();
    await commit.promise;
  });
  await writing.promise;
  await queue.work(
    reconciler({
      step: async (lease) => {
        seen.push((await loadKey(database.db, lease.key)).wanted);
        return { kind: 'sleep' };
      },
    }),
  );
  await sleep(700);
  commit.resolve();
  await writer;

  await vi.waitFor(() => expect(seen).toContain(1), soon);
});

test('a wake is not lost when the queued job it waited for is fetched before it can be updated', async () => {
  const queue = await openQueue();
  const seen: number[] = [];
  const first = Promise.withResolvers<void>();
  const firstCommits = Promise.withResolvers<void>();
  const firstWake = transact(database.db, async (tx) => {
    await queue.wake(tx, ['overtaken']);
    first.resolve();
    await firstCommits.promise;
  });
  await first.promise;
  /** pg-boss updates, inserts (here it waits for the first wake), and updates again: between these two a worker comes. */
  async function beforeThirdStatement(): Promise<void> {
    await queue.work(
      reconciler({
        step: async (lease) => {
          seen.push((await loadKey(database.db, lease.key)).wanted);
          return { kind: 'sleep' };
        },
      }),
    );
    await vi.waitFor(() => expect(seen).toEqual([0]), soon);
  }

  const secondWake = transact(database.db, async (tx) => {
    await wantIn({ wake: async () => {} }, tx, ['overtaken']);
    setTimeout(firstCommits.resolve, 100);
    let statements = 0;
    const slow = new Proxy(tx, {
      get(target, name) {
        if (name !== 'executeQuery') return Reflect.get(target, name, target) as unknown;
        return async (query: CompiledQuery) => {
          statements += 1;
          if (statements === 3) await beforeThirdStatement();
          return target.executeQuery(query);
        };
      },
    });
    await queue.wake(slow, ['overtaken']);
  });
  await Promise.all([firstWake, secondWake]);

  await vi.waitFor(() => expect(seen).toContain(1), soon);
});

test('timers survive a restart, and the earliest time of a key wins', async () => {
  const days = 200;
  const at = new Date(Date.now() + days * 86_400_000);
  const before = await openQueue();
  await transact(database.db, (tx) => before.wakeAt(tx, 'timed', new Date(at.getTime() + 3_600_000)));
  await transact(database.db, (tx) => before.wakeAt(tx, 'timed', at));
  await transact(database.db, (tx) => before.wakeAt(tx, 'timed', new Date(at.getTime() + 7_200_000)));
  expect((await before.findStanding('timed'))?.wakeAt).toEqual(at);
  await before.stop();
  const after = await openQueue();
  const steps: Date[] = [];
  await after.work(reconciler({ step: noteTime(steps) }));
  const { rows } = await sql<{
    n: number;
    kept: boolean;
  }>`select count(*)::int as n, bool_and(keep_until > start_after + interval '299 days') as kept
    from pgboss.job where name = 'timer' and singleton_key = 'timed'`.execute(database.db);
  expect(rows[0]).toEqual({ n: 1, kept: true });
  expect(steps).toEqual([]);

  await passTime('timed', days * 86_400 - 2);

  await vi.waitFor(() => expect(steps).toHaveLength(1), soon);
  expect((await after.findStanding('timed'))?.wakeAt).toBeUndefined();
});

test('a key sleeps until the time its step gave', async () => {
  const queue = await openQueue();
  const steps: Date[] = [];
  const until = new Date(Date.now() + 1_200);
  await queue.work(
    reconciler({
      step: async () => {
        steps.push(new Date());
        return steps.length === 1 ? { kind: 'sleep', until } : { kind: 'sleep' };
      },
    }),
  );

  await transact(database.db, (tx) => queue.wake(tx, ['sleeper']));

  await vi.waitFor(() => expect(steps).toHaveLength(2), soon);
  expect(steps[1]?.getTime()).toBeGreaterThanOrEqual(until.getTime());
});

test('a failing step is tried again after growing pauses that no wake shortens, and a success forgets the failures', async () => {
  const queue = await openQueue();
  const tries: { attempt: number; at: number }[] = [];
  await queue.work(
    reconciler({
      retry: { maxAttempts: 10, firstMs: 400, maxMs: 5_000 },
      step: async ({ attempt }) => {
        tries.push({ attempt, at: Date.now() });
        if (attempt <= 2) throw new Error('the target is busy');
        return { kind: 'sleep' };
      },
    }),
  );
  await transact(database.db, (tx) => queue.wake(tx, ['flaky']));
  await vi.waitFor(async () => expect((await queue.findStanding('flaky'))?.failures).toBe(1), soon);
  const standing = await queue.findStanding('flaky');

  await transact(database.db, (tx) => queue.wake(tx, ['flaky']));

  await vi.waitFor(() => expect(tries).toHaveLength(3), soon);
  expect(standing?.lastFault).toMatchObject({ code: 'reconcile.unexpected', message: expect.stringContaining('the target is busy') });
  expect(tries.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(tries[1]?.at).toBeGreaterThanOrEqual(standing?.notBefore?.getTime() ?? Infinity);
  expect((tries[2]?.at ?? 0) - (tries[1]?.at ?? 0)).toBeGreaterThanOrEqual(400);
  await vi.waitFor(async () => expect(await queue.findStanding('flaky')).toMatchObject({ failures: 0 }), soon);
  expect((await queue.findStanding('flaky'))?.lastFault).toBeUndefined();
});

test('a fault that is not retryable ends in giving up, once, and a later wake steps again', async () => {
  const queue = await openQueue();
  const given: string[] = [];
  let steps = 0;
  await queue.work(
    reconciler({
      step: async () => {
        steps += 1;
        if (steps > 1) return { kind: 'sleep' };
        throw new Fault({ code: 'target.refused', message: 'expected a target, got none' });
      },
      giveUp: async (lease, fault) => {
        given.push(fault.code);
        await transact(database.db, (tx) => lease.guard(tx));
      },
    }),
  );

  await transact(database.db, (tx) => queue.wake(tx, ['hopeless']));
  await vi.waitFor(
    async () => expect(await queue.findStanding('hopeless')).toMatchObject({ givenUpAt: expect.any(Date), failures: 0 }),
    soon,
  );
  await transact(database.db, (tx) => queue.wake(tx, ['hopeless']));

  await vi.waitFor(() => expect(steps).toBe(2), soon);
  expect(given).toEqual(['target.refused']);
});

test('used-up tries end in giving up, and giving up is tried until it commits', async () => {
  const queue = await openQueue();
  const given: string[] = [];
  let steps = 0;
  await queue.work(
    reconciler({
      retry: { maxAttempts: 3, firstMs: 10, maxMs: 50 },
      step: async () => {
        steps += 1;
        throw new Error('never works');
      },
      giveUp: async (lease, fault) => {
        given.push(fault.message);
        if (given.length < 3) throw new Error('the mail server is away');
        await transact(database.db, (tx) => lease.guard(tx));
      },
    }),
  );

  await transact(database.db, (tx) => queue.wake(tx, ['used-up']));

  await vi.waitFor(async () => expect((await queue.findStanding('used-up'))?.givenUpAt).toBeInstanceOf(Date), soon);
  expect(steps).toBe(3);
  expect(given).toHaveLength(3);
  expect(new Set(given).size).toBe(1);
  expect(given[0]).toContain('never works');
});

test('what one turn may take is bounded, and the rest comes in further turns', async () => {
  const queue = await openQueue();
  const tokens: number[] = [];
  await queue.work(
    reconciler({
      step: async (lease) => {
        tokens.push(lease.token);
        return { kind: tokens.length < 250 ? 'again' : 'sleep' };
      },
    }),
  );

  await transact(database.db, (tx) => queue.wake(tx, ['long']));

  await vi.waitFor(() => expect(tokens).toHaveLength(250), soon);
  expect(new Set(tokens).size).toBe(3);
  expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
});

test('a worker that is stopped lets the step in flight end, and what is left is done by the next one', async () => {
  const first = await openQueue();
  const second = await openQueue();
  await transact(database.db, async (tx) => {
    await sql`insert into world (key, wanted) values ('left', 5)`.execute(tx);
    await first.wake(tx, ['left']);
  });
  const entered = Promise.withResolvers<void>();
  const step = worldStep(database.db, async () => {
    entered.resolve();
    await sleep(100);
  });
  const worker = await first.work(reconciler({ step }));
  await entered.promise;

  await worker.stop({ graceMs: 5_000 });

  expect(await loadKey(database.db, 'left')).toEqual({ wanted: 5, done: 1 });
  await second.work(reconciler({ step }));
  await vi.waitFor(async () => expect(await loadKey(database.db, 'left')).toEqual({ wanted: 5, done: 5 }), soon);
});

test('a process works for one reconciler', async () => {
  const queue = await openQueue();
  await queue.work(reconciler({ step: async () => ({ kind: 'sleep' }) }));

  expect(() => queue.work(reconciler({ step: async () => ({ kind: 'sleep' }) }))).toThrow(
    expect.objectContaining({ code: 'queue.already-working' }),
  );
});

function noteTime(into: Date[]): () => Promise<{ kind: 'sleep' }> {
  return async () => {
    into.push(new Date());
    return { kind: 'sleep' };
  };
}

/** As if the database's clock had gone on: a timer lives in two rows. */
async function passTime(key: string, seconds: number): Promise<void> {
  await sql`update reconcile_lease set wake_at = wake_at - make_interval(secs => ${seconds}) where key = ${key}`.execute(database.db);
  await sql`update pgboss.job set start_after = start_after - make_interval(secs => ${seconds})
    where name = 'timer' and singleton_key = ${key}`.execute(database.db);
}
