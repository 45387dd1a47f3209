import type { PgBoss } from 'pg-boss';
import type { Database, Transaction } from '../database/database.ts';
import { backOffMs, transact } from '../database/retry.ts';
import { Fault } from '../fault.ts';
import { startHeartbeat } from './heartbeat.reconcile.ts';
import {
  type Claim,
  clearFailures,
  guardLease,
  type HeldLease,
  leaseLost,
  recordFailure,
  recordGivenUp,
  takeLease,
} from './lease.store.ts';
import type { Lease, QueueLog, Reconciler, StoredFault } from './queue.ts';
import { beatEveryMs, heartbeatSeconds, reconcileQueue, turn as limits } from './settings.ts';
import { armTimer, completeJob, touchJob, wakeKeys } from './job.store.ts';

export interface TurnContext {
  readonly boss: PgBoss;
  readonly db: Database;
  readonly reconciler: Reconciler;
  readonly log: QueueLog;
  /** Who we are, for people: shown in the lease row. */
  readonly holder: string;
  /** True once a stop was asked for: the turn ends after the step in flight. */
  readonly stopping: () => boolean;
  /** Told when a timer was set, so that a near one need not wait for the next poll. */
  readonly timerSet: (at: Date) => void;
}

export interface TurnJob {
  readonly key: string;
  readonly claim: Claim;
  /** From pg-boss and from the worker's stop. */
  readonly signal: AbortSignal;
}

/** What one turn carries along; `failures` is the truth while the lease is ours. */
interface Turn extends TurnContext {
  readonly held: HeldLease;
  readonly lease: Lease;
  readonly progress: { failures: number; doing: 'step' | 'give-up' };
}

/**
 * One job: takes the key, steps while there is more to do, settles. Returns when the job may be completed (or already is);
 * throws when it must be tried again by whoever fetches it next.
 */
export async function runTurn(context: TurnContext, job: TurnJob): Promise<void> {
  const held = await takeLease(context.db, { key: job.key, claim: job.claim, holder: context.holder });
  if (!held) return context.log.info({ key: job.key }, 'the key was taken over before its turn began');
  if (held.notBefore) return rest(context, held, held.notBefore);
  const heartbeat = startHeartbeat({
    beat: () => touchJob(context.boss, held.claim),
    everyMs: beatEveryMs,
    lostAfterMs: heartbeatSeconds * 1_000,
  });
  const progress: Turn['progress'] = { failures: held.failures, doing: 'step' };
  const lease = leaseOf(held, progress, AbortSignal.any([job.signal, heartbeat.signal]));
  try {
    await goOn({ ...context, held, lease, progress });
  } catch (error) {
    context.log.info({ key: held.key, token: held.token, reason: messageOf(error) }, 'the turn was cut short; the key is taken again soon');
    throw error;
  } finally {
    heartbeat.stop();
  }
}

function leaseOf(held: HeldLease, progress: Turn['progress'], signal: AbortSignal): Lease {
  return {
    key: held.key,
    token: held.token,
    get attempt() {
      return progress.failures + 1;
    },
    signal,
    guard: (tx) => guardLease(tx, held, progress.doing),
  };
}

async function goOn(turn: Turn): Promise<void> {
  if (turn.held.givingUp) return giveUp(turn, revive(turn.held.givingUp));
  const startedAt = performance.now();
  for (let steps = 1; ; steps++) {
    let next;
    try {
      next = await turn.reconciler.step(turn.lease);
    } catch (error) {
      return fail(turn, error);
    }
    if (turn.progress.failures > 0) {
      await clearFailures(turn.db, turn.held);
      turn.progress.failures = 0;
    }
    if (next.kind === 'sleep') return next.until && rest(turn, turn.held, next.until);
    throwIfAborted(turn);
    const spent = steps >= limits.steps || performance.now() - startedAt >= limits.ms;
    if (spent || turn.stopping()) return settle(turn, turn.held, (tx) => wakeKeys(turn.boss, tx, [turn.held.key]));
  }
}

/** A failure of the key waits in the key's row; what says nothing about the key (lease, database) is thrown on. */
async function fail(turn: Turn, error: unknown): Promise<void> {
  throwIfNotItsFailing(turn, error);
  const { held, progress, reconciler, log } = turn;
  const fault = asFault(error, held.key);
  const tries = progress.failures + 1;
  const givingUp = !fault.retryable || tries >= reconciler.retry.maxAttempts;
  const facts = { key: held.key, token: held.token, code: fault.code, reason: fault.message, tries };
  if (givingUp) {
    log.error(facts, 'a step failed for good; giving up on the key');
    await recordFailure(turn.db, held, { fault, waitMs: 0, givingUp });
    progress.failures = tries;
    return giveUp(turn, fault);
  }
  const waitMs = backOffMs(tries, reconciler.retry);
  log.warn({ ...facts, waitMs }, 'a step failed; it is tried again after a pause');
  return restAfter(turn, { fault, waitMs, givingUp });
}

/** The decision stands in the row already, so whoever takes the key over goes on with it; its commit clears it. */
async function giveUp(turn: Turn, fault: Fault): Promise<void> {
  const { held, progress, reconciler, log } = turn;
  progress.doing = 'give-up';
  try {
    await reconciler.giveUp(turn.lease, fault);
  } catch (error) {
    throwIfNotItsFailing(turn, error);
    const waitMs = backOffMs(progress.failures + 1, reconciler.retry);
    log.error({ key: held.key, reason: messageOf(error), waitMs }, 'giving up failed; it is tried again after a pause');
    return restAfter(turn, { waitMs, givingUp: true });
  }
  await recordGivenUp(turn.db, held);
}

async function restAfter(turn: Turn, failure: { fault?: Fault; waitMs: number; givingUp: boolean }): Promise<void> {
  let at = new Date();
  await settle(turn, turn.held, async (tx) => {
    at = await recordFailure(tx, turn.held, failure);
    await armTimer(turn.boss, tx, turn.held.key, at);
  });
  turn.timerSet(at);
}

async function rest(context: TurnContext, held: HeldLease, until: Date): Promise<void> {
  await settle(context, held, async (tx) => {
    await armTimer(context.boss, tx, held.key, until);
  });
  context.timerSet(until);
}

/** What is left to write and the end of the job, together or not at all. A wake that came meanwhile is a job of its own. */
async function settle(context: TurnContext, held: HeldLease, write: (tx: Transaction) => Promise<void>): Promise<void> {
  await transact(context.db, async (tx) => {
    await completeJob(context.boss, tx, { queue: reconcileQueue, claim: held.claim });
    await write(tx);
  });
}

function throwIfNotItsFailing(turn: Turn, error: unknown): void {
  throwIfAborted(turn);
  if (!(error instanceof Fault)) return;
  if (error.code === 'lease.lost' || (error.code.startsWith('database.') && error.retryable)) throw error;
}

function throwIfAborted(turn: Turn): void {
  if (turn.lease.signal.aborted) throw leaseLost(turn.held);
}

function asFault(error: unknown, key: string): Fault {
  if (error instanceof Fault) return error;
  return new Fault({
    code: 'reconcile.unexpected',
    retryable: true,
    message: `expected the next action of ${key} to succeed, got ${messageOf(error)}`,
    remedy: 'look at the log of the worker; it is tried again by itself',
    cause: error,
  });
}

function revive(stored: StoredFault): Fault {
  const { code, message, remedy } = stored;
  return new Fault({ code, message, ...(remedy !== undefined && { remedy }) });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
