-- What was built. The row of an artifact never changes: other bytes are another artifact.
create table artifact (
  digest text primary key check (digest ~ '^sha256:[0-9a-f]{64}$'),
  bytes bigint not null check (bytes >= 0),
  -- The first build that made these bytes; later builds of the same bytes point here from their own row.
  build text not null,
  created_at timestamptz not null
);
create index artifact_by_time on artifact (created_at desc, digest desc);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'a row of % never changes', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger artifact_never_changes before update on artifact for each row execute function refuse_change();

create table build (
  id text primary key,
  release text not null,
  attempt integer not null check (attempt > 0),
  application text not null,
  tag text not null,
  commit text not null,
  state text not null check (state in ('queued', 'running', 'succeeded', 'failed')),
  artifact_digest text references artifact,
  reason jsonb,
  -- The last lines, for people; bounded by the code that writes it.
  log text not null default '',
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  unique (release, attempt),
  check ((state = 'succeeded') = (artifact_digest is not null)),
  check ((state = 'failed') = (reason is not null))
);
create index build_by_commit on build (commit);
create index build_by_artifact on build (artifact_digest) where artifact_digest is not null;
-- One build of a release at a time, whatever the code believes.
create unique index build_under_way on build (release) where state in ('queued', 'running');
