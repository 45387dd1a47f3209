-- Configuration as code: the current state of each declared resource.
create table resource (
  kind text not null check (kind ~ '^[A-Z][A-Za-z]{0,62}$'),
  name text not null check (name ~ '^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$'),
  version integer not null check (version > 0),
  -- SHA-256 over labels and spec in canonical JSON.
  digest text not null,
  labels jsonb not null,
  spec jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  updated_by text not null,
  primary key (kind, name)
);

-- Every version that ever was in force. Versions go on rising over a deletion, so a number never means two things.
create table resource_version (
  kind text not null,
  name text not null,
  version integer not null,
  digest text not null,
  labels jsonb not null,
  spec jsonb not null,
  deleted boolean not null,
  at timestamptz not null,
  actor text not null,
  primary key (kind, name, version)
);

create function resource_version_is_final() returns trigger language plpgsql as $$
begin
  raise exception 'a version of a resource is never changed or removed';
end
$$;
create trigger resource_version_is_final before update or delete on resource_version
  for each statement execute function resource_version_is_final();
