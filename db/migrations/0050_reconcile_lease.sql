-- Who may act on a key, how often it failed, and when it wakes. One row a key; no index besides the key, so that every
-- update stays on its page (heap-only tuples).
create table reconcile_lease (
  key text primary key check (length(key) between 1 and 200),
  -- From fence_token when the key was taken; 0 for a key that only has a timer yet.
  token bigint not null default 0,
  -- The job that holds the key, and which attempt of it.
  job_id uuid,
  retry_count integer,
  holder text,
  taken_at timestamptz,
  steps bigint not null default 0,
  failures integer not null default 0,
  not_before timestamptz,
  -- The one timer of the key: mirrors the queued job in the queue `timer`.
  wake_at timestamptz,
  last_fault jsonb,
  -- True from the decision to give up until giving up has committed.
  giving_up boolean not null default false,
  given_up_at timestamptz
) with (fillfactor = 70);
