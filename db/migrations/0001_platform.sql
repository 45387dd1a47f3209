-- Exclusion constraints over (scalar, range) pairs need operator classes for scalars in GiST.
create extension if not exists btree_gist;

-- Drawn by whoever takes a lease. Ever rising; a target refuses a token lower than the highest it has seen.
create sequence fence_token as bigint;
