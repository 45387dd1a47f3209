import { sql } from 'kysely';
import type { Database } from '../src/platform/database/database.ts';
import type { RowState, SeenChange } from './evidence.ts';

/** A run begins with its release, and a gate closes with what it let through or kept out: neither is told for itself. */
const watchedTables = [
  { table: 'release', on: 'insert or update on release for each row', columns: ['id', 'id'] },
  { table: 'release_run', on: 'update on release_run for each row', columns: ['release', 'release'] },
  { table: 'build', on: 'insert or update on build for each row', columns: ['release', 'id'] },
  { table: 'candidate', on: 'insert or update on candidate for each row', columns: ['release', 'release', 'revision'] },
  { table: 'approval', on: 'insert or update on approval for each row', columns: ['release', 'release', 'principal'] },
  {
    table: 'approval_gate',
    on: `insert or update on approval_gate for each row when (new.state = 'open')`,
    columns: ['release', 'release', 'stage'],
  },
  { table: 'deployment', on: 'insert or update on deployment for each row', columns: ['release', 'id'] },
] as const;

/**
 * Triggers beside the product's tables: whatever changes a row is written down in the same transaction, with the
 * connection that did it and the lease as it stood. What a killed process was about to say cannot get past this.
 */
export async function installWitness(db: Database): Promise<void> {
  await sql`create schema chaos`.execute(db);
  await sql`create table chaos.seen (
    number bigint generated always as identity primary key,
    at double precision not null default extract(epoch from clock_timestamp()) * 1000,
    tx text not null default pg_current_xact_id()::text,
    writer text not null default current_setting('application_name'),
    kind text not null, subject text not null, key text not null, before jsonb, after jsonb not null, lease jsonb)`.execute(db);
  // A row is told by its state (and step); the arguments name its kind, the column of its key, and those of its id.
  await sql`create function chaos.see_row() returns trigger language plpgsql as $$
    declare
      fresh jsonb := to_jsonb(new);
      stale jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) end;
      state_now jsonb := jsonb_strip_nulls(jsonb_build_object('state', fresh->'state', 'step', fresh->'step'));
      was jsonb := jsonb_strip_nulls(jsonb_build_object('state', stale->'state', 'step', stale->'step'));
      of_key text := fresh->>tg_argv[1];
      id text := fresh->>tg_argv[2] || coalesce('#' || (fresh->>tg_argv[3]), '');
    begin
      insert into chaos.seen (kind, subject, key, before, after, lease)
      select tg_argv[0], id, of_key, case when tg_op = 'UPDATE' then was end, state_now,
        (select jsonb_build_object('token', l.token, 'holder', l.holder) from public.reconcile_lease l where l.key = of_key and l.holder is not null)
      where tg_op = 'INSERT' or tg_argv[0] = 'approval' or was <> state_now;
      return null;
    end $$`.execute(db);
  for (const { table, on, columns } of watchedTables) {
    const words = sql.join([table, ...columns].map((word) => sql.lit(word)));
    await sql`create trigger chaos_sees after ${sql.raw(on)} execute function chaos.see_row(${words})`.execute(db);
  }
  await sql`create function chaos.see_lease() returns trigger language plpgsql as $$
    begin
      insert into chaos.seen (kind, subject, key, after) values ('lease', new.key, new.key, jsonb_build_object('token', new.token, 'holder', new.holder));
      return null;
    end $$`.execute(db);
  await sql`create trigger chaos_sees_new after insert on reconcile_lease for each row when (new.token > 0) execute function chaos.see_lease()`.execute(
    db,
  );
  await sql`create trigger chaos_sees after update on reconcile_lease for each row when (new.token <> old.token) execute function chaos.see_lease()`.execute(
    db,
  );
  await sql`create function chaos.see_entry() returns trigger language plpgsql as $$
    declare leaf jsonb := new.leaf::jsonb;
    begin
      insert into chaos.seen (kind, subject, key, after)
      values ('entry', leaf->>'id', coalesce((select substr(s, 9) from jsonb_array_elements_text(jsonb_build_array(leaf->'subject') || coalesce(leaf->'related', '[]')) s
        where s like 'release/%' limit 1), ''), jsonb_build_object('action', leaf->'action', 'subject', leaf->'subject'));
      return null;
    end $$`.execute(db);
  await sql`create trigger chaos_sees after insert on ledger_pending for each row execute function chaos.see_entry()`.execute(db);
}

interface SeenRow extends Omit<SeenChange, 'before' | 'lease'> {
  readonly before: RowState | null;
  readonly lease: { readonly token: number; readonly holder: string } | null;
}

export async function listSeen(db: Database): Promise<readonly SeenChange[]> {
  const { rows } =
    await sql<SeenRow>`select number, at, tx, writer, kind, subject, key, before, after, lease from chaos.seen order by number`.execute(db);
  return rows.map(({ before, lease, ...row }) => ({ ...row, ...(before && { before }), ...(lease && { lease }) }));
}
