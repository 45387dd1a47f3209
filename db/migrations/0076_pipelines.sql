create table release_run (
  release text primary key references release,
  application text not null,
  state text not null check (state in ('active', 'completed', 'rolling-back', 'rolled-back', 'failed', 'cancelled')),
  pipeline_name text not null,
  pipeline_version integer not null,
  rollback_request jsonb,
  cancel_request jsonb,
  reason jsonb,
  finished_at timestamptz
);
create index release_run_under_way on release_run (application) where state in ('active', 'rolling-back');

create table deployment (
  id text primary key,
  release text not null references release,
  application text not null,
  environment text not null,
  stage text not null,
  kind text not null check (kind in ('release', 'restore')),
  runs_release text not null references release,
  plan jsonb not null,
  stage_digest text not null,
  candidate_digest text not null,
  state text not null,
  step integer not null,
  since timestamptz not null,
  instance_url text,
  restarts integer not null default 0,
  previous text references deployment,
  reason jsonb,
  decided_at timestamptz,
  zero_share_at timestamptz,
  started_at timestamptz not null,
  finished_at timestamptz
);
create index deployment_by_release on deployment (release, started_at);
create index deployment_by_environment on deployment (environment, application, started_at desc);
-- One deployment under way per application and environment, whatever the code believes.
create unique index deployment_under_way on deployment (application, environment)
  where state not in ('succeeded', 'rolled-back', 'failed');

create table lane (
  application text not null,
  environment text not null,
  holder text references release,
  live_deployment text references deployment,
  primary key (application, environment)
);
