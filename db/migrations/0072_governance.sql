create table approval_gate (
  release text not null references release,
  stage text not null,
  rule jsonb not null,
  state text not null check (state in ('open', 'closed')),
  opened_at timestamptz not null,
  closed_at timestamptz,
  primary key (release, stage)
);
create index approval_gate_open on approval_gate (opened_at) where state = 'open';

-- One row a person and candidate: who changes their mind overwrites it; the ledger keeps both.
create table approval (
  release text not null,
  stage text not null,
  principal text not null,
  candidate_digest text not null,
  roles jsonb not null,
  emails jsonb not null,
  decision text not null check (decision in ('approve', 'reject')),
  reason text,
  at timestamptz not null,
  primary key (release, stage, principal, candidate_digest),
  foreign key (release, stage) references approval_gate (release, stage)
);
