import { sql } from 'kysely';
import type { Reader } from '../platform/database/database.ts';
import { Freeze, type NamedFreeze } from './freeze.ts';

/** By name, without those that are over: they pile up over the years and no longer decide anything. */
export async function listFreezesAhead(reader: Reader, now: Date): Promise<readonly NamedFreeze[]> {
  const { rows } = await sql<{ readonly name: string; readonly spec: unknown }>`
    select name, spec from resource where kind = 'Freeze' and (spec ->> 'to')::timestamptz > ${now} order by name`.execute(reader);
  return rows.map(({ name, spec }) => ({ ...Freeze.parse(spec), name }));
}
