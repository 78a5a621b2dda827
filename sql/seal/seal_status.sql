create view chronicle.seal_status as
select
    s.log_id,
    s.epoch,
    s.batches,
    s.sealed_events,
    s.last_sealed_at,
    s.unsealed_since,
    clock_timestamp() - s.unsealed_since as lag,
    s.oldest_transaction_id,
    s.held_back_by,
    s.problem
from chronicle.sealing_state() as s;

comment on view chronicle.seal_status is
'How far the log is sealed, and what holds that back; one row.';
comment on column chronicle.seal_status.log_id is
'Names the log in batches and checkpoints.';
comment on column chronicle.seal_status.epoch is
'The present epoch.';
comment on column chronicle.seal_status.batches is
'The size of the sealed log.';
comment on column chronicle.seal_status.sealed_events is
'How many events they seal.';
comment on column chronicle.seal_status.last_sealed_at is
'When the last batch was sealed; null: never.';
comment on column chronicle.seal_status.unsealed_since is
'When the first event that is not sealed was recorded; null: all are sealed.';
comment on column chronicle.seal_status.lag is
'How long that is ago.';
comment on column chronicle.seal_status.oldest_transaction_id is
'The oldest transaction that is open and may write, or the next one. Events of this one and later
ones are not settled, and can not be sealed yet. Null on a standby.';
comment on column chronicle.seal_status.held_back_by is
'Whose that is: "pid 4711" or a prepared transaction, in any database of the server; null: nobody
holds it.';
comment on column chronicle.seal_status.problem is
'Why chronicle.seal_events refuses; null: it does not.';

revoke all on chronicle.seal_status from public;
grant select on chronicle.seal_status to chronicle_auditor, chronicle_admin;
