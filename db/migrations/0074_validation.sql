create table probe (
  deployment text not null,
  at timestamptz not null,
  passed boolean not null,
  detail text not null,
  primary key (deployment, at)
);

-- What the judge knows about a deployment: its settings, its state after the last batch, where it stands in the counts.
create table analysis (
  deployment text primary key,
  step integer not null,
  settings jsonb not null,
  state jsonb not null,
  verdict jsonb not null,
  cursor jsonb,
  next_at timestamptz not null,
  updated_at timestamptz not null
);

-- The judge's inputs, in order: feeding them to the judge again gives the same verdict.
create table analysis_batch (
  deployment text not null,
  number integer not null,
  step integer not null,
  batch jsonb not null,
  log_e double precision not null,
  log_e_pass double precision,
  verdict text not null,
  primary key (deployment, number)
);
