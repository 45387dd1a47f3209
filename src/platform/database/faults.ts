import { Fault } from '../fault.ts';

/**
 * What PostgreSQL and the socket say, as the Faults people and the reconciler meet. Errors that belong to a statement
 * (a unique violation, say) are not translated: the store that ran the statement knows what they mean.
 */
type Kind = 'unavailable' | 'out-of-connections' | 'disk-full' | 'out-of-memory' | 'access-denied' | 'missing' | 'timeout';

const unavailable = 'start it again with `npm start`, or check DATABASE_URL; the platform retries by itself and nothing is left half done';

const faults = {
  unavailable: { status: 503, retryable: true, says: 'the database does not answer', remedy: unavailable },
  'out-of-connections': {
    status: 503,
    retryable: true,
    says: 'the database has no connection left',
    remedy: 'raise max_connections, or run fewer server and worker processes',
  },
  'disk-full': {
    status: 507,
    retryable: true,
    says: 'the disk of the database is full',
    remedy: 'free space on the disk that holds the database; the platform goes on by itself then',
  },
  'out-of-memory': { status: 503, retryable: true, says: 'the database ran out of memory', remedy: 'give it more memory' },
  'access-denied': { status: 503, retryable: false, says: 'the database refuses the user or password', remedy: 'check DATABASE_URL' },
  missing: {
    status: 503,
    retryable: false,
    says: 'the database named in DATABASE_URL does not exist',
    remedy: 'create it, or correct its name',
  },
  timeout: {
    status: 503,
    retryable: true,
    says: 'the statement took longer than the database allows',
    remedy: 'try again; when it stays so, look at what holds locks in pg_stat_activity',
  },
} as const satisfies Record<Kind, { status: number; retryable: boolean; says: string; remedy: string }>;

/** SQLSTATE or errno. 08xxx and 57Pxx: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const kinds: Readonly<Record<string, Kind>> = {
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  EPIPE: 'unavailable',
  ETIMEDOUT: 'unavailable',
  EHOSTUNREACH: 'unavailable',
  ENETUNREACH: 'unavailable',
  ENOTFOUND: 'unavailable',
  EAI_AGAIN: 'unavailable',
  '08000': 'unavailable',
  '08001': 'unavailable',
  '08003': 'unavailable',
  '08004': 'unavailable',
  '08006': 'unavailable',
  '57P01': 'unavailable',
  '57P02': 'unavailable',
  '57P03': 'unavailable',
  '57P05': 'unavailable',
  '25P03': 'unavailable',
  '53300': 'out-of-connections',
  '53100': 'disk-full',
  '53200': 'out-of-memory',
  '28P01': 'access-denied',
  '28000': 'access-denied',
  '3D000': 'missing',
  '57014': 'timeout',
  '55P03': 'timeout',
};

/** `pg` reports a lost connection and an exhausted pool as plain errors without a code. */
const messages: readonly (readonly [RegExp, Kind])[] = [
  [/^Connection terminated/, 'unavailable'],
  [/^Client (was closed|has encountered a connection error)/, 'unavailable'],
  [/^timeout exceeded when trying to connect/, 'out-of-connections'],
  [/^timeout expired/, 'unavailable'],
];

/** SQLSTATE of a serialization failure or deadlock: the transaction did nothing and may simply run again. */
const conflicts = new Set(['40001', '40P01']);

export function isConflict(error: unknown): boolean {
  return conflicts.has(codeOf(error) ?? '');
}

/** The Fault a connection-level error means, or the error itself when it belongs to the statement. Never throws. */
export function asDatabaseFault(error: unknown): unknown {
  if (error instanceof Fault) return error;
  const kind = kindOf(error);
  if (kind === undefined) return error;
  const { says, status, retryable, remedy } = faults[kind];
  const detail = error instanceof Error && error.message !== '' ? error.message : (codeOf(error) ?? 'no detail');
  return new Fault({
    code: `database.${kind}`,
    status,
    retryable,
    remedy,
    message: `expected the database to answer, got: ${says} (${detail})`,
    cause: error,
  });
}

/** True when trying again on a new connection can help. */
export function isUnavailable(error: unknown): boolean {
  const fault = asDatabaseFault(error);
  return fault instanceof Fault && (fault.code === 'database.unavailable' || fault.code === 'database.out-of-connections');
}

function kindOf(error: unknown): Kind | undefined {
  const code = codeOf(error);
  if (code !== undefined && kinds[code]) return kinds[code];
  if (!(error instanceof Error)) return undefined;
  return messages.find(([pattern]) => pattern.test(error.message))?.[1];
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
