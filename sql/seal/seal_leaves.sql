-- 32 bytes an event: what lets the check say which event of a batch was changed, and be sure of it,
-- since these hashes must give the root; and a proof be made without reading the batch's events.
create table chronicle.seal_leaves (
    batch_number bigint constraint seal_leaves_pkey primary key,
    leaves bytea not null
);

-- Hashes do not compress.
alter table chronicle.seal_leaves alter column leaves set storage external;

comment on table chronicle.seal_leaves is
'The hash of each sealed event. Append-only.';
comment on column chronicle.seal_leaves.batch_number is
'As in chronicle.seal_batches.';
comment on column chronicle.seal_leaves.leaves is
'chronicle.event_leaf of each event of the batch, 32 bytes each, in the order (transaction_id,
seq).';

create trigger seal_leaves_reject_change
before update or delete or truncate on chronicle.seal_leaves
for each statement execute function chronicle.reject_change();

alter table chronicle.seal_leaves enable always trigger seal_leaves_reject_change;

comment on trigger seal_leaves_reject_change on chronicle.seal_leaves is
'Refuses to change or remove the hashes of a batch.';

revoke all on chronicle.seal_leaves from public;
grant select, insert on chronicle.seal_leaves to chronicle_sealer;
grant select on chronicle.seal_leaves to chronicle_auditor;
