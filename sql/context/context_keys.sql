create table chronicle.context_keys (
    key_id text constraint context_keys_pkey primary key,
    created_at timestamptz not null default clock_timestamp()
);

comment on table chronicle.context_keys is
'The keys whose tokens chronicle.set_signed_context accepts. The secrets are apart, where nobody
reads them. chronicle.add_context_key and chronicle.retire_context_key change it, and record that.';
comment on column chronicle.context_keys.key_id is
'What a token names as "kid".';
comment on column chronicle.context_keys.created_at is
'When the key was added.';

revoke all on chronicle.context_keys from public;
grant select on chronicle.context_keys to chronicle_admin;
