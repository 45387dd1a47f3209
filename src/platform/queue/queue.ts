import type { Transaction } from '../database/database.ts';
import type { Fault } from '../fault.ts';

/**
 * Durable work by key. State lives in the caller's rows; the queue only wakes. A key is an opaque string; one worker in the
 * whole fleet holds it at a time, proven by a lease.
 */
export interface Lease {
  readonly key: string;
  /** Drawn from the sequence `fence_token` when this job took the key: ever rising. Give it to every target. */
  readonly token: number;
  /** 1 for the first try since the last success, 2 for the second, and so on. */
  readonly attempt: number;
  /** Aborts when the lease is lost or can no longer be proven (no heartbeat for 10 s), and when a stop has spent its grace. */
  readonly signal: AbortSignal;
  /**
   * Inside a transaction: throws Fault `lease.lost`, which rolls it back, unless this lease is still the newest for its key and
   * its job still ours. Holds row locks until the commit, so nobody can take the key over in between: keep the transaction short.
   */
  guard(tx: Transaction): Promise<void>;
}

/** `again`: there is more to do now. `sleep`: until the time given, or until woken when there is none. */
export type Next = { readonly kind: 'again' } | { readonly kind: 'sleep'; readonly until?: Date };

interface Retry {
  /** Tries of one action, the first included, before `giveUp`. */
  readonly maxAttempts: number;
  /** Wait after the first failure; doubles up to `maxMs`, half of it random. */
  readonly firstMs: number;
  readonly maxMs: number;
}

export interface Reconciler {
  /** Keys worked on at once in this process. */
  readonly concurrency: number;
  /**
   * ONE action: loads facts, decides, acts, stores in one transaction that calls `lease.guard(tx)`. Runs again after a crash at
   * any instruction, so it is idempotent. A thrown Fault that is not retryable ends in `giveUp`; anything else is tried again.
   */
  step(lease: Lease): Promise<Next>;
  /**
   * After a Fault that is not retryable, or when the tries are used up: say why, durably, in one transaction that calls
   * `lease.guard(tx)`. Its commit happens once; it is tried again, without limit, until it succeeds.
   */
  giveUp(lease: Lease, fault: Fault): Promise<void>;
  readonly retry: Retry;
}

export interface Worker {
  /**
   * Takes no new key and lets every step in flight end. After `graceMs` the rest is aborted and handed over: another worker
   * takes those keys within seconds.
   */
  stop(options: { readonly graceMs: number }): Promise<void>;
}

export interface Queue {
  /**
   * Wakes the keys when `tx` commits; does nothing when it rolls back. Never lost: a key that is being worked on is worked on
   * again. Make it the LAST statement: whoever else wakes the same key waits for this commit.
   */
  wake(tx: Transaction, keys: readonly string[]): Promise<void>;
  /**
   * Wakes the key at a time that may be days ahead. A key has ONE timer and the earliest time wins: a later one adds nothing,
   * because the step that is woken computes its next `until` from its facts. Precision: half a second.
   */
  wakeAt(tx: Transaction, key: string, at: Date): Promise<void>;
  /** Starts to work. Once per process; a process that only wakes never calls it. */
  work(reconciler: Reconciler): Promise<Worker>;
  /** What the queue knows about a key: for "why does it not go on?". Undefined for a key never seen. */
  findStanding(key: string): Promise<Standing | undefined>;
  /** Stops the worker, if there is one, with a grace of five seconds, and closes the connections. */
  stop(): Promise<void>;
}

export interface Standing {
  readonly key: string;
  readonly token: number;
  /** Who took the key last, and when. */
  readonly holder?: string;
  readonly takenAt?: Date;
  /** Committed transactions that a guard let through. */
  readonly steps: number;
  /** Failures in a row. */
  readonly failures: number;
  /** No step before this, whoever wakes. */
  readonly notBefore?: Date;
  readonly wakeAt?: Date;
  readonly lastFault?: StoredFault;
  readonly givenUpAt?: Date;
}

export interface StoredFault {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly at: string;
}

/** What a `pino` logger accepts: facts first, then a sentence. */
export interface QueueLog {
  info(facts: object, sentence: string): void;
  warn(facts: object, sentence: string): void;
  error(facts: object, sentence: string): void;
}
