import { fromKysely, type PgBoss } from 'pg-boss';
import type { Transaction } from '../database/database.ts';
import { Fault } from '../fault.ts';
import { type Claim, clearTimer, moveTimer } from './lease.store.ts';
import { reconcileQueue, timerQueue } from './settings.ts';

/**
 * `upsert`, never `send`: against a job that is queued already `send` does nothing, and that job may run, and read its facts,
 * before our commit. `upsert` updates the queued row, so nobody can fetch it until we commit; a job that is active already
 * does not count, so a second one is queued behind it.
 */
export async function wakeKeys(boss: PgBoss, tx: Transaction, keys: readonly string[]): Promise<void> {
  // In one order everywhere: two transactions that wake the same keys wait for each other and cannot deadlock.
  for (const key of [...new Set(keys)].sort()) {
    await enqueue(boss, tx, { queue: reconcileQueue, key, startAfter: dueNow });
  }
}

export async function armTimer(boss: PgBoss, tx: Transaction, key: string, at: Date): Promise<Date> {
  checkKey(key);
  const due = await moveTimer(tx, key, at);
  await enqueue(boss, tx, { queue: timerQueue, key, startAfter: due });
  return due;
}

/** The timer's job only wakes. */
export async function fireTimer(boss: PgBoss, tx: Transaction, timer: { key: string; claim: Claim }): Promise<void> {
  await clearTimer(tx, timer.key);
  await wakeKeys(boss, tx, [timer.key]);
  await completeJob(boss, tx, { queue: timerQueue, claim: timer.claim });
}

/** Completes this attempt of the job and no other; rolls `tx` back when it is no longer ours. */
export async function completeJob(boss: PgBoss, tx: Transaction, job: { queue: string; claim: Claim }): Promise<void> {
  const { jobId, retryCount } = job.claim;
  if (hit(await boss.complete(job.queue, { id: jobId, retryCount }, null, { db: fromKysely(tx) }))) return;
  throw new Fault({
    code: 'lease.lost',
    status: 409,
    retryable: true,
    message: `expected attempt ${retryCount} of job ${jobId} to be active, got a job that was taken over or settled`,
    remedy: 'nothing to do: whoever holds the key now goes on from what was committed',
  });
}

/** A heartbeat. False when the claim is gone. */
export async function touchJob(boss: PgBoss, claim: Claim): Promise<boolean> {
  return hit(await boss.touch(reconcileQueue, { id: claim.jobId, retryCount: claim.retryCount }));
}

/** How many rows a fenced call touched is in the answer but not in its type (12.38.0). */
function hit(response: object): boolean {
  return (response as { readonly affected?: number }).affected === 1;
}

/** A minute back by the database's own clock: due whatever this machine's clock says. */
const dueNow = -60;

/**
 * An upsert that meets a concurrent one waits for its commit, finds that row and updates it, unless a worker fetched it in
 * that instant: then it has neither inserted nor updated anything, and the wake would be lost. So: until it has.
 */
async function enqueue(boss: PgBoss, tx: Transaction, wake: { queue: string; key: string; startAfter: number | Date }): Promise<void> {
  checkKey(wake.key);
  const db = fromKysely(tx);
  for (let attempt = 1; attempt <= 20; attempt++) {
    const { updated, inserted } = await boss.upsert(
      wake.queue,
      { key: wake.key },
      { singletonKey: wake.key, startAfter: wake.startAfter, db },
    );
    if (updated + inserted > 0) return;
  }
  throw new Fault({
    code: 'queue.contended',
    status: 503,
    retryable: true,
    message: `expected to queue ${wake.key}, got 20 other writers of the same key in a row`,
    remedy: 'try again in a moment',
  });
}

function checkKey(key: string): void {
  if (key.length >= 1 && key.length <= 200) return;
  throw new Fault({ code: 'queue.invalid-key', status: 422, message: `expected a key of 1 to 200 characters, got ${key.length}` });
}
