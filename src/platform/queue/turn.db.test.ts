import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { loadKey, reconciler, type TestQueues, testQueues, worldStep } from '../../../test/support/reconcile.ts';
import { transact } from '../database/retry.ts';
import { Fault } from '../fault.ts';

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

test('a failing step is tried again after growing pauses that no wake shortens, and a success forgets the failures', async () => {
  const queue = await queues.open();
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
  await transact(queues.db, (tx) => queue.wake(tx, ['flaky']));
  await vi.waitFor(async () => expect((await queue.findStanding('flaky'))?.failures).toBe(1), soon);
  const standing = await queue.findStanding('flaky');

  await transact(queues.db, (tx) => queue.wake(tx, ['flaky']));

  await vi.waitFor(() => expect(tries).toHaveLength(3), soon);
  expect(standing?.lastFault).toMatchObject({ code: 'reconcile.unexpected', message: expect.stringContaining('the target is busy') });
  expect(tries.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(tries[1]?.at).toBeGreaterThanOrEqual(standing?.notBefore?.getTime() ?? Infinity);
  expect((tries[2]?.at ?? 0) - (tries[1]?.at ?? 0)).toBeGreaterThanOrEqual(400);
  await vi.waitFor(async () => expect(await queue.findStanding('flaky')).toMatchObject({ failures: 0 }), soon);
  expect((await queue.findStanding('flaky'))?.lastFault).toBeUndefined();
});

test('a fault that is not retryable ends in giving up, once, and a later wake steps again', async () => {
  const queue = await queues.open();
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
        await transact(queues.db, (tx) => lease.guard(tx));
      },
    }),
  );

  await transact(queues.db, (tx) => queue.wake(tx, ['hopeless']));
  await vi.waitFor(
    async () => expect(await queue.findStanding('hopeless')).toMatchObject({ givenUpAt: expect.any(Date), failures: 0 }),
    soon,
  );
  await transact(queues.db, (tx) => queue.wake(tx, ['hopeless']));

  await vi.waitFor(() => expect(steps).toBe(2), soon);
  expect(given).toEqual(['target.refused']);
});

test('used-up tries end in giving up, and giving up is tried until it commits', async () => {
  const queue = await queues.open();
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
        await transact(queues.db, (tx) => lease.guard(tx));
      },
    }),
  );

  await transact(queues.db, (tx) => queue.wake(tx, ['used-up']));

  await vi.waitFor(async () => expect((await queue.findStanding('used-up'))?.givenUpAt).toBeInstanceOf(Date), soon);
  expect(steps).toBe(3);
  expect(given).toHaveLength(3);
  expect(new Set(given).size).toBe(1);
  expect(given[0]).toContain('never works');
});

test('what one turn may take is bounded, and the rest comes in further turns', async () => {
  const queue = await queues.open();
  const tokens: number[] = [];
  await queue.work(
    reconciler({
      step: async (lease) => {
        tokens.push(lease.token);
        return { kind: tokens.length < 250 ? 'again' : 'sleep' };
      },
    }),
  );

  await transact(queues.db, (tx) => queue.wake(tx, ['long']));

  await vi.waitFor(() => expect(tokens).toHaveLength(250), soon);
  expect(new Set(tokens).size).toBe(3);
  expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
});

test('a worker that is stopped lets the step in flight end, and what is left is done by the next one', async () => {
  const first = await queues.open();
  const second = await queues.open();
  await transact(queues.db, async (tx) => {
    await sql`insert into world (key, wanted) values ('left', 5)`.execute(tx);
    await first.wake(tx, ['left']);
  });
  const entered = Promise.withResolvers<void>();
  const step = worldStep(queues.db, async () => {
    entered.resolve();
    await sleep(100);
  });
  const worker = await first.work(reconciler({ step }));
  await entered.promise;

  await worker.stop({ graceMs: 5_000 });

  expect(await loadKey(queues.db, 'left')).toEqual({ wanted: 5, done: 1 });
  await second.work(reconciler({ step }));
  await vi.waitFor(async () => expect(await loadKey(queues.db, 'left')).toEqual({ wanted: 5, done: 5 }), soon);
});

test('a process works for one reconciler', async () => {
  const queue = await queues.open();
  await queue.work(reconciler({ step: async () => ({ kind: 'sleep' }) }));

  expect(() => queue.work(reconciler({ step: async () => ({ kind: 'sleep' }) }))).toThrow(
    expect.objectContaining({ code: 'queue.already-working' }),
  );
});
