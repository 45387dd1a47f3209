import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { migrateDatabase, readMigrations } from './migrate.ts';

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await testDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tidegate-migrations-'));
  for (const migration of await readMigrations()) await writeFile(join(folder, `${migration.name}.sql`), migration.sql);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await database.close();
});

async function tableExists(name: string): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`select to_regclass(${name}) is not null as found`.execute(database.db);
  return rows[0]?.found ?? false;
}

test('a migration that fails halfway leaves nothing behind and names itself', async () => {
  const file = join(folder, '9000_broken.sql');
  await writeFile(file, 'create table half_done (); create table half_done ();');

  await expect(migrateDatabase(database.url, folder)).rejects.toMatchObject({
    code: 'migration.failed',
    message: expect.stringContaining('9000_broken') as string,
  });
  expect(await tableExists('half_done')).toBe(false);
  await rm(file);
});

test('many that migrate at once apply each file exactly once', async () => {
  // A second of pause inside makes them meet: without the lock the slower ones would fail on the table.
  await writeFile(join(folder, '9001_slow.sql'), 'select pg_sleep(0.3); create table made_once ();');

  const applied = await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(database.url, folder)));

  expect(applied.flat()).toEqual(['9001_slow']);
  expect(await tableExists('made_once')).toBe(true);
});

test('a database from a newer version is refused and stays as it is', async () => {
  await expect(migrateDatabase(database.url)).rejects.toMatchObject({ code: 'database.newer' });
  expect(await tableExists('made_once')).toBe(true);
});

test('a statement may take longer than the platform allows in ordinary work', async () => {
  await writeFile(join(folder, '9002_timeout.sql'), `create table timeouts as select current_setting('statement_timeout') as value;`);

  await migrateDatabase(database.url, folder);

  const { rows } = await sql<{ value: string }>`select value from timeouts`.execute(database.db);
  expect(rows).toEqual([{ value: '0' }]);
});

test('a database that is not there is a readable, retryable fault', async () => {
  await expect(migrateDatabase('postgres://me:secret@127.0.0.1:1/x')).rejects.toMatchObject({
    code: 'database.unavailable',
    retryable: true,
  });
});

test('a database that dies while we say goodbye ends no process', async () => {
  const { hostname, port } = new URL(database.url);
  const proxy = createServer((near) => {
    const far = connect(Number(port), hostname);
    far.on('error', () => {}).pipe(near);
    near
      .on('error', () => {})
      .on('data', (bytes: Buffer) => {
        // Terminate; what the server of a killed postmaster says to everybody: FATAL 57P01.
        if (bytes[0] === 0x58) near.end(Buffer.from('E\0\0\0\x19SFATAL\0C57P01\0Mgone\0\0', 'latin1'));
        far.write(bytes);
      });
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const through = new URL(database.url);
  through.port = String((proxy.address() as AddressInfo).port);

  await expect(migrateDatabase(through.href, folder)).resolves.toEqual([]);

  await new Promise((resolve) => proxy.close(resolve));
});
