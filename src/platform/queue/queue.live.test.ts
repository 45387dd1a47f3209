import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type LiveWorker, startLiveWorker } from '../../../test/support/live-worker.ts';
import { countUndone, findOverlaps, findRepeats, type TestQueues, testQueues, want } from '../../../test/support/reconcile.ts';
import type { WorkerSettings } from '../../../test/support/reconcile-worker.process.ts';
import type { Queue } from './index.ts';

let queues: TestQueues;
let queue: Queue;
const workers: LiveWorker[] = [];

beforeAll(async () => {
  queues = await testQueues();
  queue = await queues.open();
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.end()));
});
afterAll(async () => {
  await queues.close();
});

async function start(settings: Omit<WorkerSettings, 'databaseUrl'> = {}): Promise<LiveWorker> {
  const worker = await startLiveWorker({ databaseUrl: queues.url, ...settings });
  workers.push(worker);
  return worker;
}

/** Wants an action of the key and waits until the worker is in the middle of it. */
async function begin(worker: LiveWorker, key: string): Promise<number> {
  await want(queue, queues.db, [key]);
  await vi.waitFor(() => expect(worker.acts(key)).not.toEqual([]), { timeout: 10_000, interval: 20 });
  return worker.acts(key)[0]?.token ?? Infinity;
}

async function allDone(prefix: string, timeout: number): Promise<void> {
  await vi.waitFor(async () => expect(await countUndone(queues.db, prefix)).toBe(0), { timeout, interval: 100 });
}

async function actions(key: string): Promise<readonly { token: number; process: number }[]> {
  const found = await sql<{ token: number; process: number }>`select token, process from action where key = ${key} order by id`.execute(
    queues.db,
  );
  return found.rows;
}

test('another worker takes over from one killed with -9 within 30 seconds, with a higher token', async () => {
  const first = await start({ actMs: 60_000 });
  const token = await begin(first, 'killed');
  const second = await start();

  first.child.kill('SIGKILL');
  await allDone('killed', 30_000);

  expect(await actions('killed')).toEqual([{ process: second.child.pid, token: expect.any(Number) }]);
  expect((await actions('killed'))[0]?.token).toBeGreaterThan(token);
});

test('a worker that was stopped and wakes after the take-over commits nothing', async () => {
  const sleeper = await start({ actMs: 1_000 });
  const token = await begin(sleeper, 'stopped');
  sleeper.child.kill('SIGSTOP');
  const successor = await start();
  await allDone('stopped', 30_000);

  sleeper.child.kill('SIGCONT');

  const refused = expect.objectContaining({ event: 'refused', key: 'stopped', token, code: 'lease.lost' });
  await vi.waitFor(() => expect(sleeper.said).toContainEqual(refused), { timeout: 10_000, interval: 50 });
  expect(await actions('stopped')).toEqual([{ process: successor.child.pid, token: expect.any(Number) }]);
  expect((await actions('stopped'))[0]?.token).toBeGreaterThan(token);
});

test('a worker that is told to stop hands an action that does not end to another one within seconds', async () => {
  const first = await start({ actMs: 60_000 });
  await begin(first, 'handed-over');
  await start();

  first.child.kill('SIGTERM');

  await allDone('handed-over', 10_000);
  expect(await actions('handed-over')).toHaveLength(1);
});

test('four workers started at once share the keys, and never two hold one key', async () => {
  await Promise.all([1, 2, 3, 4].map(() => start({ actMs: 5, quiet: true })));
  const keys = Array.from({ length: 12 }, (_, i) => `shared-${i}`);
  for (let round = 0; round < 10; round++) await want(queue, queues.db, keys);

  await allDone('shared-', 60_000);

  expect(await findOverlaps(queues.db)).toEqual([]);
  expect(await findRepeats(queues.db)).toEqual([]);
  const holders = await sql`select distinct process from action where key like 'shared-%'`.execute(queues.db);
  expect(holders.rows.length).toBeGreaterThan(1);
});
