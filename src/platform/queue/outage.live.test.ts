import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type LiveWorker, startLiveWorker } from '../../../test/support/live-worker.ts';
import {
  countUndone,
  findOverlaps,
  findRepeats,
  listLog,
  makeWorld,
  reconciler,
  want,
  worldStep,
} from '../../../test/support/reconcile.ts';
import { connectDatabase } from '../database/connect.ts';
import type { Database } from '../database/database.ts';
import { startEmbeddedPostgres, stopEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { migrateDatabase } from '../database/migrate.ts';
import { type Queue, startQueue } from './index.ts';

let folder: string;
let url: string;
let db: Database;
const workers: LiveWorker[] = [];
const queues: Queue[] = [];
const log = listLog();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-queue-outage-'));
  ({ url } = await startEmbeddedPostgres({ folder, durable: false }));
  await migrateDatabase(url);
  db = connectDatabase(url, { applicationName: 'outage test' });
  await makeWorld(db);
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.end()));
  for (const queue of queues.splice(0)) await queue.stop();
});
afterAll(async () => {
  await db.destroy();
  await stopEmbeddedPostgres(folder);
  await rm(folder, { recursive: true, force: true });
});

async function openQueue(): Promise<Queue> {
  const queue = await startQueue({ databaseUrl: url, db, applicationName: 'outage test', log });
  queues.push(queue);
  return queue;
}

test('work goes on by itself after the database was away, nothing is lost or done twice, and the log stays readable', async () => {
  const queue = await openQueue();
  const worker = await startLiveWorker({ databaseUrl: url, actMs: 20 });
  workers.push(worker);
  const keys = Array.from({ length: 6 }, (_, i) => `away-${i}`);
  for (let round = 0; round < 20; round++) await want(queue, db, keys);
  await vi.waitFor(() => expect(worker.acts('away-0')).not.toEqual([]), { timeout: 10_000, interval: 20 });

  await stopEmbeddedPostgres(folder);
  const away = expect.objectContaining({ sentence: expect.stringContaining('the database does not answer') });
  await vi.waitFor(() => expect(worker.said).toContainEqual(away), { timeout: 10_000, interval: 50 });
  await startEmbeddedPostgres({ folder, durable: false });

  await vi.waitFor(async () => expect(await countUndone(db, 'away-')).toBe(0), { timeout: 60_000, interval: 200 });
  await want(queue, db, ['away-0']);
  await vi.waitFor(async () => expect(await countUndone(db, 'away-')).toBe(0), { timeout: 10_000, interval: 50 });
  expect(await findRepeats(db)).toEqual([]);
  expect(await findOverlaps(db)).toEqual([]);
  expect(worker.child.exitCode).toBeNull();
  const logged = worker.said.filter(({ event }) => event === 'log').map(({ sentence }) => sentence);
  expect(logged.filter((sentence) => sentence?.includes('database'))).toHaveLength(2);
  expect(logged.length).toBeLessThan(20);
});

test('a step learns from its signal that the lease can no longer be proven, and its key is done after the outage', async () => {
  const queue = await openQueue();
  const entered = Promise.withResolvers<void>();
  let abortedAfterMs = 0;
  await queue.work(
    reconciler({
      step: worldStep(db, async ({ signal }) => {
        if (abortedAfterMs > 0) return;
        const from = performance.now();
        entered.resolve();
        await once(signal, 'abort');
        abortedAfterMs = performance.now() - from;
      }),
    }),
  );
  await want(queue, db, ['unproven']);
  await entered.promise;

  await stopEmbeddedPostgres(folder);
  await vi.waitFor(() => expect(abortedAfterMs).toBeGreaterThan(0), { timeout: 20_000, interval: 50 });
  await startEmbeddedPostgres({ folder, durable: false });

  await vi.waitFor(async () => expect(await countUndone(db, 'unproven')).toBe(0), { timeout: 40_000, interval: 200 });
  expect(abortedAfterMs).toBeGreaterThan(5_000);
  expect(await findRepeats(db)).toEqual([]);
});
