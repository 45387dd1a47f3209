import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { Fault } from '../fault.ts';
import { poolConfig } from './connect.ts';
import { asDatabaseFault } from './faults.ts';

export interface Migration {
  /** `0001_platform`. */
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

export interface AppliedMigration {
  readonly name: string;
  readonly checksum: string;
}

const migrationsFolder: string = join(import.meta.dirname, '../../../db/migrations');

/**
 * Brings the database to the version of `folder`: plain SQL files NNNN_name.sql, in order, one transaction each, forward
 * only. Idempotent, and safe when many processes start at once (the others wait). Answers with the names it applied.
 * Faults: `database.newer` (a later version of Tidegate has been here), `migration.edited`, `migration.out-of-order`,
 * `migration.failed`.
 */
export async function migrateDatabase(url: string, folder: string = migrationsFolder): Promise<readonly string[]> {
  const known = await readMigrations(folder);
  const client = new pg.Client({ ...poolConfig(url, { applicationName: 'tidegate migrate' }), statement_timeout: 0 });
  // The query that meets a lost connection rejects as well; without a listener the event would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(`select pg_advisory_lock(hashtext('tidegate migrations'))`);
    await client.query(
      'create table if not exists schema_migration (name text primary key, checksum text not null, applied_at timestamptz not null default now())',
    );
    const pending = pendingMigrations(known, await listApplied(client));
    for (const migration of pending) await apply(client, migration);
    return pending.map((migration) => migration.name);
  } catch (error) {
    throw asDatabaseFault(error);
  } finally {
    // Ending the session gives the advisory lock back.
    await client.end();
  }
}

/** What is still to be applied; throws when the database and the files contradict each other. Pure. */
export function pendingMigrations(known: readonly Migration[], applied: readonly AppliedMigration[]): readonly Migration[] {
  const files = new Map(known.map((migration) => [migration.name, migration]));
  const unknown = applied.filter(({ name }) => !files.has(name)).map(({ name }) => name);
  if (unknown.length > 0) throw newerDatabase(unknown, known.at(-1)?.name ?? 'none');
  const edited = applied.filter(({ name, checksum }) => files.get(name)?.checksum !== checksum).map(({ name }) => name);
  if (edited.length > 0) throw editedMigration(edited);
  const done = new Set(applied.map(({ name }) => name));
  const pending = known.filter(({ name }) => !done.has(name));
  const last = applied.map(({ name }) => name).reduce((a, b) => (a > b ? a : b), '');
  const late = pending.filter(({ name }) => name < last).map(({ name }) => name);
  if (late.length > 0) throw outOfOrder(late, last);
  return pending;
}

export async function readMigrations(folder: string = migrationsFolder): Promise<readonly Migration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort();
  const wrong = files.filter((file, i) => !/^\d{4}_[a-z0-9_]+\.sql$/.test(file) || file.slice(0, 4) === files[i - 1]?.slice(0, 4));
  if (wrong.length > 0) {
    throw new Fault({
      code: 'migration.misnamed',
      message: `expected every migration to be named NNNN_name.sql with a number of its own, got ${wrong.join(', ')}`,
      remedy: 'rename the file',
    });
  }
  return Promise.all(
    files.map(async (file) => {
      const sql = await readFile(join(folder, file), 'utf8');
      return { name: file.replace(/\.sql$/, ''), sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function listApplied(client: pg.Client): Promise<readonly AppliedMigration[]> {
  const { rows } = await client.query<AppliedMigration>('select name, checksum from schema_migration order by name');
  return rows;
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query('begin');
    await client.query(sql);
    await client.query('insert into schema_migration (name, checksum) values ($1, $2)', [name, checksum]);
    await client.query('commit');
  } catch (error) {
    const fault = asDatabaseFault(error);
    if (fault instanceof Fault) throw fault;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Fault({
      code: 'migration.failed',
      message: `expected migration ${name} to apply, got: ${reason}`,
      remedy: 'nothing of it was written; correct the file and start again',
      cause: error,
    });
  }
}

function newerDatabase(unknown: readonly string[], newest: string): Fault {
  return new Fault({
    code: 'database.newer',
    message: `expected a database of this version of Tidegate or an older one (newest migration here: ${newest}), got one that a newer version has migrated (${unknown.join(', ')})`,
    remedy: 'start the newer version, or point TIDEGATE_HOME or DATABASE_URL at another database; there is no way back',
  });
}

function editedMigration(names: readonly string[]): Fault {
  return new Fault({
    code: 'migration.edited',
    message: `expected applied migrations to stay as they were, got changed files: ${names.join(', ')}`,
    remedy: 'restore the files and put the change into a new migration',
  });
}

function outOfOrder(names: readonly string[], last: string): Fault {
  return new Fault({
    code: 'migration.out-of-order',
    message: `expected new migrations to come after ${last}, got ${names.join(', ')}`,
    remedy: 'give the file the next free number',
  });
}
