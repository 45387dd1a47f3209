import { sql } from 'kysely';
import type { Database, Reader, Transaction } from '../database/database.ts';
import { Fault } from '../fault.ts';
import type { Standing, StoredFault } from './queue.ts';
import { bossSchema, reconcileQueue } from './settings.ts';

/** One attempt of one job: pg-boss raises the count with every claim, so the pair names who may still settle it. */
export interface Claim {
  readonly jobId: string;
  readonly retryCount: number;
}

export interface HeldLease {
  readonly key: string;
  readonly token: number;
  readonly claim: Claim;
  readonly failures: number;
  /** Present while the back-off is not over. */
  readonly notBefore?: Date;
  /** Present when giving up was decided and has not committed yet. */
  readonly givingUp?: StoredFault;
}

const job = sql.table(`${bossSchema}.job`);

/**
 * The claim as a row, locked so that it cannot be taken away before the commit. KEY SHARE is enough: losing a claim deletes
 * the row (pg-boss puts it back as `retry`), while the heartbeat, an update, passes.
 */
function claimed(claim: Claim) {
  return sql`select id from ${job} where name = ${reconcileQueue} and id = ${claim.jobId}::uuid
    and state = 'active' and retry_count = ${claim.retryCount} for key share`;
}

/**
 * Draws a token and makes the caller the holder, in one statement with the check that the claim is still the caller's: a
 * process that slept since it fetched the job must not draw a token above its successor's. Undefined when the claim is gone.
 */
export async function takeLease(db: Database, taker: { key: string; claim: Claim; holder: string }): Promise<HeldLease | undefined> {
  const { key, claim, holder } = taker;
  const { rows } = await sql<Row & { readonly early: boolean | null }>`
    with mine as materialized (${claimed(claim)})
    insert into reconcile_lease as l (key, token, job_id, retry_count, holder, taken_at)
    select ${key}, nextval('fence_token'), mine.id, ${claim.retryCount}::int, ${holder}, now() from mine
    on conflict (key) do update set token = excluded.token, job_id = excluded.job_id, retry_count = excluded.retry_count,
      holder = excluded.holder, taken_at = excluded.taken_at
    where l.token < excluded.token
    returning *, not_before > now() as early`.execute(db);
  const row = rows[0];
  if (!row) return undefined;
  return {
    key,
    token: row.token,
    claim,
    failures: row.failures,
    ...(row.early && row.not_before && { notBefore: row.not_before }),
    ...(row.giving_up && row.last_fault && { givingUp: row.last_fault }),
  };
}

/**
 * Throws Fault `lease.lost` unless the lease is the newest of its key and its claim still stands, and holds both rows until
 * the commit. Either this transaction commits before a successor reads its first fact, or it does not commit.
 */
export async function guardLease(tx: Transaction, held: HeldLease, doing: 'step' | 'give-up'): Promise<void> {
  const givenUp = sql`, giving_up = false, given_up_at = now(), failures = 0, not_before = null`;
  const { numAffectedRows } = await sql`
    with mine as materialized (${claimed(held.claim)})
    update reconcile_lease set steps = steps + 1 ${doing === 'give-up' ? givenUp : sql``}
    from mine where key = ${held.key} and token = ${held.token}`.execute(tx);
  if (numAffectedRows !== 1n) throw leaseLost(held);
}

export interface Failure {
  /** Absent: the fault that giving up is about stays. */
  readonly fault?: Fault;
  readonly waitMs: number;
  readonly givingUp: boolean;
}

/** Counts a failure and answers until when the key rests. */
export async function recordFailure(db: Reader, held: HeldLease, failure: Failure): Promise<Date> {
  const stored = failure.fault && sql`, last_fault = ${JSON.stringify(storedFault(failure.fault))}::jsonb`;
  const { rows } = await sql<{ readonly not_before: Date }>`
    update reconcile_lease set failures = failures + 1, giving_up = ${failure.givingUp},
      not_before = clock_timestamp() + make_interval(secs => ${failure.waitMs / 1_000}::float8) ${stored ?? sql``}
    where key = ${held.key} and token = ${held.token} returning not_before`.execute(db);
  const row = rows[0];
  if (!row) throw leaseLost(held);
  return row.not_before;
}

/** After a success. */
export async function clearFailures(db: Reader, held: HeldLease): Promise<void> {
  await sql`update reconcile_lease set failures = 0, not_before = null, last_fault = null
    where key = ${held.key} and token = ${held.token}`.execute(db);
}

/** For a `giveUp` that had nothing to write and so called no guard. */
export async function recordGivenUp(db: Reader, held: HeldLease): Promise<void> {
  await sql`update reconcile_lease set giving_up = false, given_up_at = now(), failures = 0, not_before = null
    where key = ${held.key} and token = ${held.token} and giving_up`.execute(db);
}

/** Earliest wins. Answers when the key's one timer fires now. Locks the row, so that row and timer job stay in step. */
export async function moveTimer(tx: Transaction, key: string, at: Date): Promise<Date> {
  const { rows } = await sql<{ readonly wake_at: Date }>`
    insert into reconcile_lease as l (key, wake_at) values (${key}, ${at})
    on conflict (key) do update set wake_at = least(l.wake_at, excluded.wake_at) returning wake_at`.execute(tx);
  return rows[0]?.wake_at ?? at;
}

/** The timer fires: the next `moveTimer` starts afresh. */
export async function clearTimer(tx: Transaction, key: string): Promise<void> {
  await sql`update reconcile_lease set wake_at = null where key = ${key} and wake_at <= clock_timestamp()`.execute(tx);
}

export async function findStanding(db: Reader, key: string): Promise<Standing | undefined> {
  const { rows } = await sql<Row>`select * from reconcile_lease where key = ${key}`.execute(db);
  const row = rows[0];
  if (!row) return undefined;
  const { token, steps, failures } = row;
  return {
    key,
    token,
    steps,
    failures,
    ...(row.holder !== null && { holder: row.holder }),
    ...(row.taken_at && { takenAt: row.taken_at }),
    ...(row.not_before && { notBefore: row.not_before }),
    ...(row.wake_at && { wakeAt: row.wake_at }),
    ...(row.last_fault && { lastFault: row.last_fault }),
    ...(row.given_up_at && { givenUpAt: row.given_up_at }),
  };
}

export function leaseLost(held: { readonly key: string; readonly token: number }): Fault {
  return new Fault({
    code: 'lease.lost',
    status: 409,
    retryable: true,
    message: `expected token ${held.token} to be the newest of ${held.key} with its job still ours, got a key that was taken over or let go`,
    remedy: 'nothing to do: whoever holds the key now goes on from what was committed',
  });
}

function storedFault(fault: Fault): StoredFault {
  return {
    code: fault.code,
    message: fault.message.slice(0, 2_000),
    ...(fault.remedy !== undefined && { remedy: fault.remedy.slice(0, 2_000) }),
    at: new Date().toISOString(),
  };
}

interface Row {
  readonly token: number;
  readonly holder: string | null;
  readonly taken_at: Date | null;
  readonly steps: number;
  readonly failures: number;
  readonly not_before: Date | null;
  readonly wake_at: Date | null;
  readonly last_fault: StoredFault | null;
  readonly giving_up: boolean;
  readonly given_up_at: Date | null;
}
