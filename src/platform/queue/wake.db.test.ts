import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type CompiledQuery, sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import {
  countUndone,
  findOverlaps,
  loadKey,
  reconciler,
  type TestQueues,
  testQueues,
  want,
  wantIn,
  worldStep,
} from '../../../test/support/reconcile.ts';
import { transact } from '../database/retry.ts';
import type { Queue } from './index.ts';

let queues: TestQueues;

beforeAll(async () => {
  queues = await testQueues();
});
afterEach(async () => {
  await queues.stopAll();
});
afterAll(async () => {
  await queues.close();
});

const soon = { timeout: 10_000, interval: 20 };

test('many processes may start at once on an empty database', async () => {
  const started = await Promise.all(Array.from({ length: 5 }, () => queues.open()));

  expect(started).toHaveLength(5);
});

test('a wake that commits leads to a step, whatever the key is made of', async () => {
  const odd = "run 1.0.0/ü 'quoted'; %s \\";
  const queue = await queues.open();
  await queue.work(reconciler({ step: worldStep(queues.db) }));

  await want(queue, queues.db, [odd]);

  await vi.waitFor(async () => expect(await loadKey(queues.db, odd)).toEqual({ wanted: 1, done: 1 }), soon);
});

test('a wake in a transaction that rolls back does nothing', async () => {
  const queue = await queues.open();
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
    queues.db.transaction().execute(async (tx) => {
      await wantIn(queue, tx, ['rolled-back']);
      throw new Error('changed my mind');
    }),
  ).rejects.toThrow('changed my mind');
  await want(queue, queues.db, ['committed']);

  await vi.waitFor(() => expect(stepped).toContain('committed'), soon);
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from pgboss.job where singleton_key = 'rolled-back'`.execute(
    queues.db,
  );
  expect(rows[0]?.n).toBe(0);
  expect(stepped).not.toContain('rolled-back');
});

test('a wake during a running step leads to another step', async () => {
  const queue = await queues.open();
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
  await transact(queues.db, (tx) => queue.wake(tx, ['busy']));
  await entered.promise;

  await transact(queues.db, (tx) => queue.wake(tx, ['busy']));
  leave.resolve();

  await vi.waitFor(() => expect(steps).toBe(2), soon);
});

test('no wake is lost, however writers, commits and four workers interleave, and no key is worked on twice at once', async () => {
  const crew = await Promise.all(Array.from({ length: 4 }, () => queues.open()));
  let naps = [0];
  let turn = 0;
  const step = worldStep(queues.db, () => sleep(naps[turn++ % naps.length]));
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
            await transact(queues.db, async (tx) => {
              await wantIn(crew[writer] as Queue, tx, [`hammer-${run}-${key}`, `hammer-${run}-all`]);
              await sleep(holdMs);
            });
          }
        });
        await Promise.all(writers);
        await vi.waitFor(async () => expect(await countUndone(queues.db, `hammer-${run}-`)).toBe(0), soon);
      },
    ),
    { numRuns: 25, endOnFailure: true },
  );

  expect(await findOverlaps(queues.db)).toEqual([]);
}, 120_000);

test('a key whose job is queued by a transaction in flight waits for its commit', async () => {
  const queue = await queues.open();
  const seen: number[] = [];
  await transact(queues.db, (tx) => queue.wake(tx, ['queued-before']));
  const writing = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();

  const writer = transact(queues.db, async (tx) => {
    await wantIn(queue, tx, ['queued-before']);
    writing.resolve();
    await commit.promise;
  });
  await writing.promise;
  await queue.work(
    reconciler({
      step: async (lease) => {
        seen.push((await loadKey(queues.db, lease.key)).wanted);
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
  const queue = await queues.open();
  const seen: number[] = [];
  const first = Promise.withResolvers<void>();
  const firstCommits = Promise.withResolvers<void>();
  const firstWake = transact(queues.db, async (tx) => {
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
          seen.push((await loadKey(queues.db, lease.key)).wanted);
          return { kind: 'sleep' };
        },
      }),
    );
    await vi.waitFor(() => expect(seen).toEqual([0]), soon);
  }

  const secondWake = transact(queues.db, async (tx) => {
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
  const before = await queues.open();
  await transact(queues.db, (tx) => before.wakeAt(tx, 'timed', new Date(at.getTime() + 3_600_000)));
  await transact(queues.db, (tx) => before.wakeAt(tx, 'timed', at));
  await transact(queues.db, (tx) => before.wakeAt(tx, 'timed', new Date(at.getTime() + 7_200_000)));
  expect((await before.findStanding('timed'))?.wakeAt).toEqual(at);
  await before.stop();
  const after = await queues.open();
  const steps: Date[] = [];
  await after.work(reconciler({ step: noteTime(steps) }));
  const { rows } = await sql<{
    n: number;
    kept: boolean;
  }>`select count(*)::int as n, bool_and(keep_until > start_after + interval '299 days') as kept
    from pgboss.job where name = 'timer' and singleton_key = 'timed'`.execute(queues.db);
  expect(rows[0]).toEqual({ n: 1, kept: true });
  expect(steps).toEqual([]);

  await passTime('timed', days * 86_400 - 2);

  await vi.waitFor(() => expect(steps).toHaveLength(1), soon);
  expect((await after.findStanding('timed'))?.wakeAt).toBeUndefined();
});

test('a key sleeps until the time its step gave', async () => {
  const queue = await queues.open();
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

  await transact(queues.db, (tx) => queue.wake(tx, ['sleeper']));

  await vi.waitFor(() => expect(steps).toHaveLength(2), soon);
  expect(steps[1]?.getTime()).toBeGreaterThanOrEqual(until.getTime());
});

test('a key that cannot be one is refused', async () => {
  const queue = await queues.open();

  for (const key of ['', 'x'.repeat(201)]) {
    await expect(transact(queues.db, (tx) => queue.wake(tx, [key]))).rejects.toThrow(
      expect.objectContaining({ code: 'queue.invalid-key' }),
    );
  }
});

function noteTime(into: Date[]): () => Promise<{ kind: 'sleep' }> {
  return async () => {
    into.push(new Date());
    return { kind: 'sleep' };
  };
}

/** As if the database's clock had gone on: a timer lives in two rows. */
async function passTime(key: string, seconds: number): Promise<void> {
  await sql`update reconcile_lease set wake_at = wake_at - make_interval(secs => ${seconds}) where key = ${key}`.execute(queues.db);
  await sql`update pgboss.job set start_after = start_after - make_interval(secs => ${seconds})
    where name = 'timer' and singleton_key = ${key}`.execute(queues.db);
}
