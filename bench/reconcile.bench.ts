import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { connectDatabase } from '../src/platform/database/connect.ts';
import type { Database } from '../src/platform/database/database.ts';
import { migrateDatabase } from '../src/platform/database/migrate.ts';
import { transact } from '../src/platform/database/retry.ts';
import { type Queue, startQueue } from '../src/platform/queue/index.ts';
import { startLiveWorker } from '../test/support/live-worker.ts';
import { countUndone, listLog, makeWorld, wantIn } from '../test/support/reconcile.ts';

type Report = (name: string, value: number) => void;

interface Bench {
  readonly db: Database;
  readonly databaseUrl: string;
  readonly queue: Queue;
}

/**
 * What durable work costs, with workers in processes of their own against a database of its own.
 * - `reconcile.event_to_action_ms_p50`/`_p99`: from the COMMIT of a waking transaction (the instant it is sent) to the start
 *   of the step, one event at a time. Goal: p50 at most 50.
 * - `reconcile.actions_per_s_1`/`_2`: one read and one guarded transaction with a state update each, with 1 and 2 workers.
 * - `reconcile.turns_per_s_1`: the same when each action needs a wake and a job of its own.
 */
export async function reconcileBench(context: { readonly adminUrl: string }, report: Report): Promise<void> {
  await withDatabase(context.adminUrl, async (bench) => {
    await makeWorld(bench.db);
    await benchLatency(bench, report);
    for (const workers of [1, 2]) report(`reconcile.actions_per_s_${workers}`, await actionsPerSecond(bench, workers));
    report('reconcile.turns_per_s_1', await turnsPerSecond(bench));
  });
}

const samples = 300;
const keysAtOnce = 16;

async function benchLatency({ db, databaseUrl, queue }: Bench, report: Report): Promise<void> {
  const worker = await startLiveWorker({ databaseUrl, concurrency: 4, lean: true, timed: true });
  const sentAt = new Map<string, number>();
  for (let i = 0; i < samples; i++) {
    const key = `event-${i}`;
    await transact(db, async (tx) => {
      await wantIn(queue, tx, [key]);
      sentAt.set(key, Number(process.hrtime.bigint()) / 1e6);
    });
    await sleep(5 + (i % 30));
  }
  await until(async () => (await countUndone(db, 'event-')) === 0);
  await worker.end();
  const steps = worker.said.filter(({ event }) => event === 'step');
  const latencies = [...sentAt].map(([key, at]) => (steps.find((step) => step.key === key)?.atMs ?? Infinity) - at).sort((a, b) => a - b);
  report('reconcile.event_to_action_ms_p50', latencies[Math.floor(samples * 0.5)] ?? Infinity);
  report('reconcile.event_to_action_ms_p99', latencies[Math.floor(samples * 0.99)] ?? Infinity);
}

/** Keys that never have enough, so turns end at their limit and jobs change hands as under real load. */
async function actionsPerSecond({ db, databaseUrl, queue }: Bench, workers: number): Promise<number> {
  const keys = Array.from({ length: keysAtOnce }, (_, i) => `busy-${workers}-${i}`);
  const crew = await Promise.all(
    Array.from({ length: workers }, () => startLiveWorker({ databaseUrl, concurrency: 8, lean: true, quiet: true })),
  );
  await transact(db, async (tx) => {
    for (const key of keys) await sql`insert into world (key, wanted) values (${key}, 1000000000)`.execute(tx);
    await queue.wake(tx, keys);
  });
  await sleep(1_000);
  const from = { at: performance.now(), done: await countDone(db, `busy-${workers}-`) };
  await sleep(5_000);
  const to = { at: performance.now(), done: await countDone(db, `busy-${workers}-`) };
  await sql`update world set wanted = 0 where starts_with(key, ${`busy-${workers}-`})`.execute(db);
  await Promise.all(crew.map((worker) => worker.end()));
  return (to.done - from.done) / ((to.at - from.at) / 1_000);
}

async function turnsPerSecond({ db, databaseUrl, queue }: Bench): Promise<number> {
  const keys = Array.from({ length: 1_000 }, (_, i) => `single-${i}`);
  for (let i = 0; i < keys.length; i += 100) await transact(db, (tx) => wantIn(queue, tx, keys.slice(i, i + 100)));
  const worker = await startLiveWorker({ databaseUrl, concurrency: 8, lean: true, quiet: true });
  const from = { at: performance.now(), left: await countUndone(db, 'single-') };
  await until(async () => (await countUndone(db, 'single-')) === 0);
  const seconds = (performance.now() - from.at) / 1_000;
  await worker.end();
  return from.left / seconds;
}

async function countDone(db: Database, prefix: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`select coalesce(sum(done), 0)::int as n from world where starts_with(key, ${prefix})`.execute(
    db,
  );
  return rows[0]?.n ?? 0;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 120_000;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error('expected the workers to finish within two minutes, got work left over');
    await sleep(20);
  }
}

async function withDatabase(adminUrl: string, work: (bench: Bench) => Promise<void>): Promise<void> {
  const name = `bench_reconcile_${randomUUID().replaceAll('-', '')}`;
  await asAdmin(adminUrl, `create database ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  await migrateDatabase(url.href);
  const db = connectDatabase(url.href, { applicationName: 'reconcile bench' });
  const queue = await startQueue({ databaseUrl: url.href, db, applicationName: 'reconcile bench', log: listLog() });
  try {
    await work({ db, databaseUrl: url.href, queue });
  } finally {
    await queue.stop();
    await db.destroy();
    await asAdmin(adminUrl, `drop database ${name} with (force)`);
  }
}

async function asAdmin(adminUrl: string, statement: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl, application_name: 'reconcile bench' });
  await admin.connect();
  try {
    await admin.query(statement);
  } finally {
    await admin.end();
  }
}
