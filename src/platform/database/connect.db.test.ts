import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test('a bigint comes as a number, a timestamptz as a Date, a date as text', async () => {
  const { rows } = await sql<Record<string, unknown>>`
    select 9007199254740991::bigint as n, '2026-11-23T10:00:00+02'::timestamptz as t, '2026-11-23'::date as d, '{"a":[1]}'::jsonb as j
  `.execute(database.db);

  expect(rows[0]).toEqual({ n: 9007199254740991, t: new Date('2026-11-23T08:00:00Z'), d: '2026-11-23', j: { a: [1] } });
});

test('a bigint beyond what a number can hold is refused, not rounded', async () => {
  await expect(sql`select 9007199254740993::bigint as n`.execute(database.db)).rejects.toThrow('expected a bigint within 2^53');
});

test('fencing tokens rise', async () => {
  const draw = async () => (await sql<{ token: number }>`select nextval('fence_token') as token`.execute(database.db)).rows[0]?.token ?? 0;

  const first = await draw();

  expect(await draw()).toBeGreaterThan(first);
});
