-- A batch never straddles two months, so that a month that was archived stands alone. Which events
-- it has follows from its ranges: transaction id and seq together are its part of the order in
-- which an epoch is sealed, and the range of seq keeps out what a copy of the log wrote under
-- transaction ids that had been used (see chronicle.epochs).
create table chronicle.seal_batches (
    batch_number bigint constraint seal_batches_pkey primary key,
    epoch integer not null,
    bucket_from date not null,
    bucket_to date not null,
    from_transaction_id bigint not null,
    from_seq bigint not null,
    to_transaction_id bigint not null,
    to_seq bigint not null,
    min_seq bigint not null,
    max_seq bigint not null,
    is_late boolean not null,
    event_count bigint not null,
    root bytea not null,
    sealed_at timestamptz not null,
    leaf_hash bytea not null
);

create index seal_batches_epoch_to_idx
on chronicle.seal_batches (epoch, is_late, to_transaction_id, to_seq);
create index seal_batches_epoch_bucket_from_idx
on chronicle.seal_batches (
    epoch, is_late, bucket_from, bucket_to, from_transaction_id, from_seq
);
create index seal_batches_epoch_max_seq_idx on chronicle.seal_batches (epoch, is_late, max_seq);

comment on table chronicle.seal_batches is
'The leaves of the sealed log, in order: each seals some events of one month. Append-only, and kept
when the events go. Written by chronicle.seal_events.';
comment on column chronicle.seal_batches.batch_number is
'The place in the log, from 0, without gaps.';
comment on column chronicle.seal_batches.epoch is
'The epoch of its events.';
comment on column chronicle.seal_batches.bucket_from is
'Of the days (UTC) of occurred_at, the first that it may hold: a month, or less where partitions are
smaller.';
comment on column chronicle.seal_batches.bucket_to is
'The first day that it may not hold any more.';
comment on column chronicle.seal_batches.from_transaction_id is
'Transaction of its first event in the order (transaction_id, seq).';
comment on column chronicle.seal_batches.from_seq is
'Seq of that event.';
comment on column chronicle.seal_batches.to_transaction_id is
'Transaction of its last event in that order.';
comment on column chronicle.seal_batches.to_seq is
'Seq of that event.';
comment on column chronicle.seal_batches.min_seq is
'Least seq of its events.';
comment on column chronicle.seal_batches.max_seq is
'Greatest seq of its events.';
comment on column chronicle.seal_batches.is_late is
'Whether its events were written on a copy of the log before that began an epoch of its own.';
comment on column chronicle.seal_batches.event_count is
'How many events; at least one.';
comment on column chronicle.seal_batches.root is
'Merkle tree hash over the leaves of its events, in the order (transaction_id, seq); SHA-256.';
comment on column chronicle.seal_batches.sealed_at is
'The server''s clock when it was sealed.';
comment on column chronicle.seal_batches.leaf_hash is
'SHA-256 over a zero byte and chronicle.batch_record: the leaf of the log.';

create trigger seal_batches_reject_change
before update or delete or truncate on chronicle.seal_batches
for each statement execute function chronicle.reject_change();

alter table chronicle.seal_batches enable always trigger seal_batches_reject_change;

comment on trigger seal_batches_reject_change on chronicle.seal_batches is
'Refuses to change or remove a batch.';

revoke all on chronicle.seal_batches from public;
grant select, insert on chronicle.seal_batches to chronicle_sealer;
grant select on chronicle.seal_batches to chronicle_auditor;
