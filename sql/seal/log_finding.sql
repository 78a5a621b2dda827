create type chronicle.log_finding as (
    kind text,
    batch_number bigint,
    event_id uuid,
    detail text
);

comment on type chronicle.log_finding is
'Something that chronicle.verify_log found wrong.';
comment on column chronicle.log_finding.kind is
'event_differs, events_missing, event_unsealed, event_unknown_epoch, leaves_differ, batch_differs,
batch_missing, batch_overlaps, node_differs, node_missing, node_superfluous, erasure_differs,
epoch_differs or policy_differs.';
comment on column chronicle.log_finding.batch_number is
'Where, if that is known; the left-most batch under a node.';
comment on column chronicle.log_finding.event_id is
'Which event, if that is known.';
comment on column chronicle.log_finding.detail is
'The same in a sentence for people.';
