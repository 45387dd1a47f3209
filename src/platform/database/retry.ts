import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault.ts';
import type { Database, Transaction } from './database.ts';
import { asDatabaseFault, isConflict, isUnavailable } from './faults.ts';

export interface TransactOptions {
  /** Default `read committed`. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  /** Times the whole function may run. Default 6: about two seconds of conflicts. */
  readonly attempts?: number;
}

/**
 * Runs `work` in one transaction. Runs it again after a serialization failure, a deadlock, or a connection lost before
 * COMMIT was sent (nothing was written then), so `work` must have no effect outside the transaction. A connection lost
 * during COMMIT is Fault `database.outcome-unknown` (503, retryable): only the caller knows how to ask what happened.
 */
export async function transact<T>(db: Database, work: (tx: Transaction) => Promise<T>, options: TransactOptions = {}): Promise<T> {
  const attempts = options.attempts ?? 6;
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOnce(db, work, options);
    if (outcome.done) return outcome.value;
    const { error, committing } = outcome;
    if (committing && isUnavailable(error)) throw outcomeUnknown(error);
    if (attempt >= attempts || !(isConflict(error) || isUnavailable(error))) throw conflictFault(asDatabaseFault(error), attempt);
    await sleep(backOffMs(attempt));
  }
}

type Outcome<T> =
  | { readonly done: true; readonly value: T }
  | { readonly done: false; readonly error: unknown; readonly committing: boolean };

async function attemptOnce<T>(db: Database, work: (tx: Transaction) => Promise<T>, options: TransactOptions): Promise<Outcome<T>> {
  let committing = false;
  // Kysely reports the failure of ROLLBACK instead of what made it roll back; the first error is the one that explains.
  let first: { readonly error: unknown } | undefined;
  try {
    const value = await db
      .transaction()
      .setIsolationLevel(options.isolation ?? 'read committed')
      .execute(async (tx) => {
        try {
          const result = await work(tx);
          committing = true;
          return result;
        } catch (error) {
          first = { error };
          throw error;
        }
      });
    return { done: true, value };
  } catch (error) {
    return { done: false, error: first ? first.error : error, committing };
  }
}

/** Doubling from 20 ms up to 2 s, half of it random so that two losers of a deadlock do not meet again. */
export function backOffMs(attempt: number, options: { readonly firstMs?: number; readonly maxMs?: number } = {}): number {
  const { firstMs = 20, maxMs = 2_000 } = options;
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 20));
  return Math.round(full / 2 + (Math.random() * full) / 2);
}

function outcomeUnknown(cause: unknown): Fault {
  return new Fault({
    code: 'database.outcome-unknown',
    status: 503,
    retryable: true,
    message: 'expected an answer to COMMIT, got a lost connection: the change may or may not have been written',
    remedy: 'read the state again before repeating the action; an Idempotency-Key makes repeating safe',
    cause,
  });
}

function conflictFault(error: unknown, attempts: number): unknown {
  if (!isConflict(error)) return error;
  return new Fault({
    code: 'database.conflict',
    status: 503,
    retryable: true,
    message: `expected the transaction to find its rows at rest, got ${attempts} conflicts with other writers in a row`,
    remedy: 'try again in a moment',
    cause: error,
  });
}
