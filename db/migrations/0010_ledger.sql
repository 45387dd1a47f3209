-- A change enters here, in the transaction of its action: the one row is both the ledger entry to be and the outgoing
-- event. The sequencer moves it into ledger_entry within a second. Ids have gaps and become visible out of order; both
-- are fine, because an entry gets its index only when it is moved.
create table ledger_pending (
  id bigint generated always as identity primary key,
  -- RFC 8785 JSON; an entry bundle of tlog-tiles has 16 bits for the length of an entry.
  leaf text not null check (octet_length(leaf) between 1 and 65535)
);
alter table ledger_pending set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- The ledger: gap-free, in the order of the Merkle tree. The leaf is what counts; the columns after leaf_hash repeat parts
-- of it for lists, and the verifier compares them.
create table ledger_entry (
  index bigint primary key check (index >= 0),
  leaf text not null,
  leaf_hash bytea not null check (octet_length(leaf_hash) = 32),
  actor text not null,
  action text not null,
  subject text not null,
  integrated_at timestamptz not null default clock_timestamp()
);
create index ledger_entry_by_actor on ledger_entry (actor, index);
create index ledger_entry_by_action on ledger_entry (action, index);

-- Which entries show in the stream of a subject: the entry's own subject and its related ones.
create table ledger_subject (
  subject text not null,
  index bigint not null,
  primary key (subject, index)
);

-- c2sp.org/tlog-tiles: up to 256 hashes of 32 bytes.
create table ledger_tile (
  level smallint not null check (level between 0 and 63),
  index bigint not null check (index >= 0),
  hashes bytea not null check (octet_length(hashes) between 32 and 8192 and octet_length(hashes) % 32 = 0),
  primary key (level, index)
);
-- Hashes do not compress.
alter table ledger_tile alter column hashes set storage external;

-- c2sp.org/tlog-checkpoint: one signed note per integrated batch.
create table ledger_checkpoint (
  size bigint primary key check (size > 0),
  note text not null,
  signed_at timestamptz not null default clock_timestamp()
);

-- Against accidents and application bugs. Whoever may alter tables can still get past it; the signed checkpoints tell.
create function ledger_refuse() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only: % of % refused', lower(tg_op), tg_table_name using errcode = 'restrict_violation';
end $$;

create function ledger_tile_grow() returns trigger language plpgsql as $$
begin
  if new.level <> old.level or new.index <> old.index or substr(new.hashes, 1, octet_length(old.hashes)) <> old.hashes then
    raise exception 'the ledger is append-only: a tile only grows' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;

create function ledger_pending_leave() returns trigger language plpgsql as $$
begin
  if current_setting('tidegate.sequencer', true) is distinct from 'moving' then
    raise exception 'the ledger is append-only: only the sequencer moves pending entries' using errcode = 'restrict_violation';
  end if;
  return null;
end $$;

create trigger ledger_entry_fixed before update or delete on ledger_entry for each row execute function ledger_refuse();
create trigger ledger_entry_kept before truncate on ledger_entry for each statement execute function ledger_refuse();
create trigger ledger_subject_fixed before update or delete on ledger_subject for each row execute function ledger_refuse();
create trigger ledger_subject_kept before truncate on ledger_subject for each statement execute function ledger_refuse();
create trigger ledger_checkpoint_fixed before update or delete on ledger_checkpoint for each row execute function ledger_refuse();
create trigger ledger_checkpoint_kept before truncate on ledger_checkpoint for each statement execute function ledger_refuse();
create trigger ledger_tile_grows before update on ledger_tile for each row execute function ledger_tile_grow();
create trigger ledger_tile_fixed before delete on ledger_tile for each row execute function ledger_refuse();
create trigger ledger_tile_kept before truncate on ledger_tile for each statement execute function ledger_refuse();
create trigger ledger_pending_fixed before update on ledger_pending for each row execute function ledger_refuse();
create trigger ledger_pending_kept before truncate on ledger_pending for each statement execute function ledger_refuse();
create trigger ledger_pending_left before delete on ledger_pending for each statement execute function ledger_pending_leave();
