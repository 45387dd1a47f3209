-- Answers to posts that carried an Idempotency-Key, kept for a day in the transaction of the action itself.
create table idempotency_key (
  principal text not null,
  key text not null check (length(key) between 1 and 255),
  -- SHA-256 over method, path and body: the same key with another request is refused.
  digest text not null,
  status integer not null,
  -- JSON text, replayed as it left.
  headers text not null,
  -- Null when the answer held a secret, which is never stored.
  body text,
  expires_at timestamptz not null,
  primary key (principal, key)
);
create index idempotency_key_expires_at on idempotency_key (expires_at);
