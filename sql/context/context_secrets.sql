-- The keys of context tokens, as the blocks that an HMAC takes, and under an empty name the key
-- by which a transaction recognizes what it has verified. chronicle_verifier alone reads them. No
-- check constraint: the error of one would show the row.
create table chronicle.context_secrets (
    key_id text constraint context_secrets_pkey primary key,
    inner_block bytea not null,
    outer_block bytea not null
);

comment on table chronicle.context_secrets is
'Private. What makes tokens and verified contexts unforgeable. Written by
chronicle.add_context_key.';
comment on column chronicle.context_secrets.key_id is
'As in chronicle.context_keys; empty for the key that never leaves the database.';
comment on column chronicle.context_secrets.inner_block is
'The key, padded to 64 bytes, each combined with 0x36.';
comment on column chronicle.context_secrets.outer_block is
'The same with 0x5c.';

-- Against who reads all tables by a role of the server's (pg_read_all_data).
alter table chronicle.context_secrets enable row level security;

create policy context_secrets_verifier_reads on chronicle.context_secrets
for select to chronicle_verifier using (true);

comment on policy context_secrets_verifier_reads on chronicle.context_secrets is
'Nobody else reads them, whatever they are granted.';

revoke all on chronicle.context_secrets from public;
grant select on chronicle.context_secrets to chronicle_verifier;
