import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { inject } from 'vitest';
import { connectDatabase } from '../../src/platform/database/connect.ts';
import type { Database } from '../../src/platform/database/database.ts';

export interface TestDatabase {
  readonly db: Database;
  /** For code that connects by itself (the queue, LISTEN, a process of its own). */
  readonly url: string;
  /** Drops the database. Fails when somebody still holds a connection to it: that is a leak in what was tested. */
  close(): Promise<void>;
}

/** A database of its own for one test file: a clone of the migrated template. Call it in `beforeAll`, `close` in `afterAll`. */
export async function testDatabase(): Promise<TestDatabase> {
  const template = new URL(inject('templateDatabaseUrl'));
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await asAdmin(template, (admin) => admin.query(`create database ${name} template ${template.pathname.slice(1)}`));
  const url = withDatabase(template, name);
  const db = connectDatabase(url, { applicationName: 'test', patienceMs: 2_000 });
  return {
    db,
    url,
    close: async () => {
      await db.destroy();
      const leaked = await asAdmin(template, async (admin) => {
        const left = await connectionsLeft(admin, name);
        await admin.query(`drop database ${name} with (force)`);
        return left;
      });
      if (leaked.length > 0)
        throw new Error(`expected every connection to be closed, got ${leaked.length} left open: ${leaked.join('; ')}`);
    },
  };
}

/** Closing a connection takes the server a moment, so it gets two seconds. */
async function connectionsLeft(admin: pg.Client, name: string): Promise<readonly string[]> {
  for (let waited = 0; ; waited += 25) {
    const { rows } = await admin.query<{ application_name: string; query: string }>(
      'select application_name, left(query, 200) as query from pg_stat_activity where datname = $1',
      [name],
    );
    if (rows.length === 0 || waited >= 2_000) return rows.map((row) => `${row.application_name || 'unnamed'} (${row.query})`);
    await sleep(25);
  }
}

async function asAdmin<T>(template: URL, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: withDatabase(template, 'postgres'), application_name: 'test admin' });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function withDatabase(base: URL, name: string): string {
  const url = new URL(base);
  url.pathname = `/${name}`;
  return url.href;
}
