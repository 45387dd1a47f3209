-- API tokens. Only the SHA-256 of a token is kept: 256 random bits need no slow hash.
create table token (
  id text primary key,
  principal text not null,
  description text not null,
  hash bytea not null unique check (length(hash) = 32),
  created_at timestamptz not null,
  created_by text not null,
  expires_at timestamptz not null check (expires_at > created_at),
  revoked_at timestamptz,
  revoked_by text,
  -- Coarse (five minutes), so that a busy token does not write with every read.
  last_used_at timestamptz
);
create index token_principal on token (principal, id);
