-- Undoes pgchronicle_0009_seals.

set local role chronicle_owner;

-- Undoing everything goes from the last migration to the first, each by itself. The first of them
-- that would lead to the loss of events must refuse, so that nothing is undone by halves.
do $guard$
begin
    perform chronicle.assert_no_events();
end
$guard$;

drop function chronicle.enable_erasure();
drop function chronicle.erase_subject(
    text, text, chronicle.actor_type, text, text, text
);
drop function chronicle.erase_payload(uuid, text);
drop function chronicle.erase_events(uuid[], text, text);
drop function chronicle.check_can_erase(text);
drop function chronicle.begin_epoch(text);
drop function chronicle.greatest_seq(integer);
drop view chronicle.seal_status;
drop function chronicle.sealing_state();
drop function chronicle.inclusion_proof(uuid, bigint);
drop function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
);
drop function chronicle.verify_log(bigint, bigint);
drop function chronicle.find_tree_faults();
drop function chronicle.find_epoch_faults();
drop function chronicle.find_erasure_faults();
drop function chronicle.find_unsealed_faults();
drop function chronicle.find_hidden_faults();
drop function chronicle.find_batch_faults(chronicle.seal_batches);
drop type chronicle.log_finding;
drop function chronicle.batch_of(integer, timestamptz, bigint, bigint);
drop function chronicle.consistency_proof(bigint, bigint);
drop function chronicle.log_path(bigint, bigint);
drop function chronicle.checkpoint(bigint);
drop function chronicle.subtree_hash(bigint, bigint);
drop function chronicle.log_size(bigint);
drop function chronicle.seal_events(integer);
drop function chronicle.is_sealing_due();
drop function chronicle.seal_range(integer, boolean, bigint, bigint);
drop function chronicle.bucket_start(text, timestamptz);
drop function chronicle.check_can_seal();
drop function chronicle.sealing_problem();
drop function chronicle.is_log_moved();
drop function chronicle.append_batch(chronicle.seal_batches, bytea);
drop function chronicle.batch_record(chronicle.seal_batches);
drop function chronicle.iso_day(date);
drop function chronicle.merkle_path(bytea, bigint);
drop function chronicle.merkle_root(bytea);
drop function chronicle.merkle_parents(bytea);
drop function chronicle.event_leaves(integer, bigint, bigint, bigint, bigint);
drop function chronicle.event_leaf(chronicle.events, bytea);
drop function chronicle.payload_digest(chronicle.events);
drop function chronicle.payload_fields(chronicle.events);
drop function chronicle.event_fields(chronicle.events);
drop function chronicle.microseconds(timestamptz);
drop trigger seal_nodes_reject_change on chronicle.seal_nodes;
drop table chronicle.seal_nodes;
drop trigger seal_leaves_reject_change on chronicle.seal_leaves;
drop table chronicle.seal_leaves;
drop trigger seal_batches_reject_change on chronicle.seal_batches;
drop table chronicle.seal_batches;
drop table chronicle.seal_state;
