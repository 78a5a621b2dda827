-- Transaction ids count within one server. A log that was restored from a dump, or copied by
-- logical replication, goes on under numbers that mean something else, and says so by a new epoch.
create table chronicle.epochs (
    epoch integer constraint epochs_pkey primary key,
    began_at timestamptz not null,
    reason text not null,
    system_identifier bigint not null,
    sealed_seq bigint not null,
    is_on_copy boolean not null,
    recorded_by uuid
);

comment on table chronicle.epochs is
'The lives of the log, one row each, the last being the present one. Append-only. Written by
chronicle.begin_epoch.';
comment on column chronicle.epochs.epoch is
'Counts from 1; as in chronicle.events.';
comment on column chronicle.epochs.began_at is
'When it was declared.';
comment on column chronicle.epochs.reason is
'Why, as whoever declared it said.';
comment on column chronicle.epochs.system_identifier is
'The server that numbers the transactions of the epoch, from pg_control_system().';
comment on column chronicle.epochs.sealed_seq is
'The greatest seq of the epoch before that was sealed when this one began. Above it, events may have
been written elsewhere, or before a backup was restored: chronicle.events_since gives them last.';
comment on column chronicle.epochs.is_on_copy is
'Whether it began on another server than the epoch before. Then events of that epoch with a greater
seq than sealed_seq may have been written on this server, before anybody declared the epoch.';

comment on column chronicle.epochs.recorded_by is
'The event that tells of it, null for the first.';

create trigger epochs_reject_change
before update or delete or truncate on chronicle.epochs
for each statement execute function chronicle.reject_change();

alter table chronicle.epochs enable always trigger epochs_reject_change;

comment on trigger epochs_reject_change on chronicle.epochs is
'Refuses to change or remove an epoch.';

revoke all on chronicle.epochs from public;
grant select on chronicle.epochs to chronicle_sealer, chronicle_reader;
