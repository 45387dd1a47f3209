-- A release never changes: there is no column that an update could have a reason to touch.
create table release (
  id text primary key,
  application text not null,
  version text not null,
  tag text not null,
  tag_object text not null,
  commit text not null,
  signer text not null,
  authors jsonb not null,
  created_by text not null,
  created_at timestamptz not null,
  unique (application, tag)
);
create index release_by_time on release (created_at desc, id desc);
create index release_by_application on release (application, created_at desc, id desc);

create table candidate (
  release text not null references release,
  revision integer not null check (revision > 0),
  digest text not null,
  content jsonb not null,
  created_at timestamptz not null,
  primary key (release, revision)
);
