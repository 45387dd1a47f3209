import { sql } from 'kysely';
import type { Transaction } from '../database/database.ts';
import { digestOfJson } from '../digest.ts';
import { Fault } from '../fault.ts';

// A type, not an interface: withTables wants an index signature.
type IdempotencyTable = {
  readonly principal: string;
  readonly key: string;
  readonly digest: string;
  readonly status: number;
  readonly headers: string;
  readonly body: string | null;
  readonly expires_at: Date;
};
type Tables = { readonly idempotency_key: IdempotencyTable };

/** One post as its sender identified it. */
export interface IdempotentRequest {
  readonly principal: string;
  readonly key: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly at: Date;
}

/** An answer as it left, so that a repeat is answered byte for byte. `body: null`: it held a secret and was not kept. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** How long a repeat is answered from store; past it the key is free again. */
const keptForMs = 24 * 60 * 60 * 1000;

/**
 * Claims the key for this transaction. The claim is a lock that ends with the transaction, so a killed process leaves
 * none behind. Answers what was kept when this request was done before; refuses another request under the same key
 * (422) and a repeat while the first one still runs (409).
 */
export async function claimIdempotencyKey(tx: Transaction, request: IdempotentRequest): Promise<KeptAnswer | undefined> {
  const lock = await sql<{
    held: boolean;
  }>`select pg_try_advisory_xact_lock(hashtextextended(${`idempotency ${request.principal} ${request.key}`}, 0)) as held`.execute(tx);
  if (lock.rows[0]?.held !== true) {
    throw new Fault({
      code: 'idempotency.in-progress',
      status: 409,
      message: 'expected the first request with this Idempotency-Key to be over, but it still runs',
      remedy: 'Wait a moment, then repeat.',
      retryable: true,
    });
  }
  const kept = await tx
    .withTables<Tables>()
    .selectFrom('idempotency_key')
    .selectAll()
    .where('principal', '=', request.principal)
    .where('key', '=', request.key)
    .where('expires_at', '>', request.at)
    .executeTakeFirst();
  if (kept === undefined) return undefined;
  if (kept.digest === digestOf(request))
    return { status: kept.status, headers: JSON.parse(kept.headers) as Record<string, string>, body: kept.body };
  throw new Fault({
    code: 'idempotency.key-reused',
    status: 422,
    message: 'expected the request that this Idempotency-Key was first used with, got another one',
    remedy: 'Use a new key for a new request.',
  });
}

/** Keeps the answer in the transaction of the action, and clears a few keys that are past their day. */
export async function keepAnswer(tx: Transaction, request: IdempotentRequest, answer: KeptAnswer): Promise<void> {
  const t = tx.withTables<Tables>();
  const row = {
    digest: digestOf(request),
    status: answer.status,
    headers: JSON.stringify(answer.headers),
    body: answer.body,
    expires_at: new Date(request.at.getTime() + keptForMs),
  };
  await t
    .insertInto('idempotency_key')
    .values({ principal: request.principal, key: request.key, ...row })
    .onConflict((conflict) => conflict.columns(['principal', 'key']).doUpdateSet(row))
    .execute();
  await sql`delete from idempotency_key where (principal, key) in
    (select principal, key from idempotency_key where expires_at <= ${request.at} order by expires_at limit 10 for update skip locked)`.execute(
    tx,
  );
}

function digestOf(request: IdempotentRequest): string {
  return digestOfJson({ method: request.method, path: request.path, body: request.body ?? null });
}
