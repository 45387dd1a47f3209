import { setTimeout as sleep } from 'node:timers/promises';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Database, NoTables } from './database.ts';
import { asDatabaseFault, isUnavailable } from './faults.ts';
import { backOffMs } from './retry.ts';

export interface ConnectOptions {
  /** Connections at most. Default 10. */
  readonly poolSize?: number;
  /** Shown in pg_stat_activity. Default `tidegate`. */
  readonly applicationName?: string;
  /** A statement is cancelled after this long. Default 30,000; 0 switches it off. */
  readonly statementTimeoutMs?: number;
  /** How long a caller waits for a database that is away before Fault `database.unavailable`. Default 10,000. */
  readonly patienceMs?: number;
}

/**
 * A pool of connections. Opens none until the first query, so it never fails here. `destroy()` closes it. A lost
 * database is a retryable Fault `database.unavailable` after `patienceMs`; it is found again by itself when it is back.
 */
export function connectDatabase(url: string, options: ConnectOptions = {}): Database {
  const pool = new pg.Pool(poolConfig(url, options));
  // An idle connection that dies is dropped by the pool and replaced on demand; without a listener it would end the process.
  pool.on('error', () => {});
  return new Kysely<NoTables>({ dialect: new PostgresDialect({ pool: patient(pool, options.patienceMs ?? 10_000) }) });
}

/** Settings that every connection shares, for those who need a bare `pg.Client` (LISTEN, advisory locks, the queue). */
export function poolConfig(url: string, options: ConnectOptions = {}): pg.PoolConfig {
  return {
    connectionString: url,
    max: options.poolSize ?? 10,
    application_name: options.applicationName ?? 'tidegate',
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    // A transaction that waits for its own process this long belongs to a process that is stopped or gone: its locks must go.
    idle_in_transaction_session_timeout: 30_000,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
  };
}

type TypeId = Parameters<typeof pg.types.getTypeParser>[0];

/** bigint comes as a number (refused beyond 2^53), date as `YYYY-MM-DD` (a Date would shift it by the time zone). */
function typeParser(oid: TypeId, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === pg.types.builtins.INT8) return parseInt8;
  if (oid === pg.types.builtins.DATE) return String;
  return pg.types.getTypeParser(oid, format);
}

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`expected a bigint within 2^53, got ${text}`);
  return value;
}

type KyselyPool = Exclude<ConstructorParameters<typeof PostgresDialect>[0]['pool'], (...args: never[]) => unknown>;
type KyselyClient = Awaited<ReturnType<KyselyPool['connect']>>;

/** The pool as Kysely sees it: waits for a database that is away, and answers with Faults where the connection failed. */
function patient(pool: pg.Pool, patienceMs: number): KyselyPool {
  const seen = new WeakMap<pg.PoolClient, KyselyClient>();
  async function connect(): Promise<KyselyClient> {
    const client = await connectWithin(pool, patienceMs);
    const known = seen.get(client) ?? withFaults(client);
    seen.set(client, known);
    return known;
  }
  return { connect, end: () => pool.end(), options: pool.options };
}

async function connectWithin(pool: pg.Pool, patienceMs: number): Promise<pg.PoolClient> {
  const giveUpAt = performance.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.connect();
    } catch (error) {
      const waitMs = backOffMs(attempt, { firstMs: 50, maxMs: 1_000 });
      if (!isUnavailable(error) || performance.now() + waitMs > giveUpAt) throw asDatabaseFault(error);
      await sleep(waitMs);
    }
  }
}

function withFaults(client: pg.PoolClient): KyselyClient {
  // A connection that dies while it is lent out emits `error` on the client as well as rejecting its query.
  client.on('error', () => {});
  const query = async (...args: unknown[]): Promise<unknown> => {
    try {
      return await (client.query as (...args: unknown[]) => Promise<unknown>)(...args);
    } catch (error) {
      throw asDatabaseFault(error);
    }
  };
  const processID = (client as { processID?: number }).processID;
  return {
    query: query as KyselyClient['query'],
    release: (destroy) => client.release(destroy),
    ...(processID === undefined ? {} : { processID }),
  };
}
