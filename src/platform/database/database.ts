import type { Kysely, Transaction as KyselyTransaction } from 'kysely';

/**
 * A store declares the tables it owns and reads them through `db.withTables<Tables>()`; there is no global schema type,
 * because the platform knows no domain word.
 */
// eslint-disable-next-line typescript/no-empty-object-type
export interface NoTables {}
export type Database = Kysely<NoTables>;
/** State, ledger entry and outgoing event are written in one of these. */
export type Transaction = KyselyTransaction<NoTables>;
/** For reads that do not care. */
export type Reader = Database | Transaction;
