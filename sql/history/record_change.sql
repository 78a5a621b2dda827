create type chronicle.record_change as (
    event_id uuid,
    seq bigint,
    occurred_at timestamptz,
    transaction_id bigint,
    epoch integer,
    origin chronicle.event_origin,
    action text,
    record_id text,
    old_values jsonb,
    new_values jsonb,
    changed_columns text array,
    is_complete boolean,
    organization_id text,
    actor_type chronicle.actor_type,
    actor_id text,
    db_user text,
    context_state text,
    request_id text,
    reason text,
    parent_event_id uuid,
    payload_error text
);

comment on type chronicle.record_change is
'A change of a record with the whole row before and after it; see chronicle.record_history.';
comment on column chronicle.record_change.action is
'INSERT, UPDATE, DELETE, TRUNCATE or SNAPSHOT.';
comment on column chronicle.record_change.record_id is
'The key after the change, or of a row that went the key before.';
comment on column chronicle.record_change.old_values is
'The row before, under the names that its columns had then; null for an insert.';
comment on column chronicle.record_change.new_values is
'The row after; null for a delete.';
comment on column chronicle.record_change.is_complete is
'Whether every recorded column of both is known. Not so where tracking was interrupted or an event
has no values.';
