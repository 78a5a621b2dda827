-- A partitioned table can not hold an id unique across its partitions, so ids that callers give are
-- claimed here first. The digest tells a retry from another event under the same id.
create table chronicle.event_keys (
    event_id uuid constraint event_keys_pkey primary key,
    content_digest bytea not null,
    constraint event_keys_digest_is_sha256 check (octet_length(content_digest) = 32)
);

comment on table chronicle.event_keys is
'Event ids that callers gave, each with the digest of what was recorded under it. Append-only.';
comment on column chronicle.event_keys.event_id is
'The id, as in chronicle.events.';
comment on column chronicle.event_keys.content_digest is
'SHA-256 over what the caller said and who it was; of something random once that was erased.';

create trigger event_keys_reject_change
before delete or truncate on chronicle.event_keys
for each statement execute function chronicle.reject_change();

-- An erasure leaves no digest of what it erased: one without salt could be guessed from.
create trigger event_keys_reject_update
before update on chronicle.event_keys
for each statement when (current_user <> 'chronicle_eraser')
execute function chronicle.reject_change();

alter table chronicle.event_keys enable always trigger event_keys_reject_change;
alter table chronicle.event_keys enable always trigger event_keys_reject_update;

comment on trigger event_keys_reject_change on chronicle.event_keys is
'Refuses to remove a claimed id.';
comment on trigger event_keys_reject_update on chronicle.event_keys is
'Refuses updates, but by the role that erases.';

revoke all on chronicle.event_keys from public;
grant select, insert on chronicle.event_keys to chronicle_writer;
