-- Belongs to chronicle_reader for the reason given at chronicle.row_changes.
create view chronicle.row_events as
select
    e.event_id,
    e.seq,
    e.occurred_at,
    e.transaction_id,
    e.epoch,
    e.origin,
    e.table_id,
    e.resource_id as record_id,
    case
        when e.origin = 'snapshot' then 'SNAPSHOT'
        when e.action = e.resource_type || '.truncate' then 'TRUNCATE'
        when e.action_type = 'create' then 'INSERT'
        when e.action_type = 'update' then 'UPDATE'
        when e.action_type = 'delete' then 'DELETE'
    end as action,
    case
        when e.action_type <> 'create' and e.related_resources -> 0 ->> 'relation' = 'previous_key'
            then e.related_resources -> 0 ->> 'resource_id'
        when e.action_type <> 'create' then e.resource_id
    end as key_before,
    case when e.action_type <> 'delete' then e.resource_id end as key_after,
    e.details_before,
    e.details_after,
    e.changed_columns,
    coalesce(e.payload_error ~ '^.....: the table has changed since it was tracked', false)
        as is_drifted,
    e.action_meta -> 'columns' as columns,
    e.payload_error,
    e.organization_id,
    e.actor_type,
    e.actor_id,
    e.db_user,
    e.context_state,
    e.request_id,
    e.reason,
    e.parent_event_id
from chronicle.events as e
where e.origin in ('captured', 'snapshot') and e.table_id is not null;

comment on view chronicle.row_events is
'Private. What was recorded of rows of tracked tables: the key that the row had before and after,
one of them null for a row that came or went.';
comment on column chronicle.row_events.event_id is
'As in chronicle.events, and so are all that are not named otherwise.';
comment on column chronicle.row_events.seq is
'As in chronicle.events.';
comment on column chronicle.row_events.occurred_at is
'As in chronicle.events.';
comment on column chronicle.row_events.transaction_id is
'As in chronicle.events.';
comment on column chronicle.row_events.epoch is
'As in chronicle.events.';
comment on column chronicle.row_events.origin is
'captured or snapshot.';
comment on column chronicle.row_events.table_id is
'As in chronicle.events.';
comment on column chronicle.row_events.record_id is
'resource_id: the key after, or of a row that went the key before.';
comment on column chronicle.row_events.action is
'INSERT, UPDATE, DELETE, TRUNCATE or SNAPSHOT.';
comment on column chronicle.row_events.key_before is
'resource_id of the row before; null for an insert.';
comment on column chronicle.row_events.key_after is
'resource_id of the row after; null for a delete.';
comment on column chronicle.row_events.details_before is
'As in chronicle.events.';
comment on column chronicle.row_events.details_after is
'As in chronicle.events.';
comment on column chronicle.row_events.changed_columns is
'As in chronicle.events.';
comment on column chronicle.row_events.is_drifted is
'Whether the table had other columns than those known to its capture function.';
comment on column chronicle.row_events.columns is
'Of a drifted row, the attribute numbers and types of its columns by name.';
comment on column chronicle.row_events.payload_error is
'As in chronicle.events.';
comment on column chronicle.row_events.organization_id is
'As in chronicle.events.';
comment on column chronicle.row_events.actor_type is
'As in chronicle.events.';
comment on column chronicle.row_events.actor_id is
'As in chronicle.events.';
comment on column chronicle.row_events.db_user is
'As in chronicle.events.';
comment on column chronicle.row_events.context_state is
'As in chronicle.events.';
comment on column chronicle.row_events.request_id is
'As in chronicle.events.';
comment on column chronicle.row_events.reason is
'As in chronicle.events.';
comment on column chronicle.row_events.parent_event_id is
'As in chronicle.events.';

revoke all on chronicle.row_events from public;
alter view chronicle.row_events owner to chronicle_reader;
