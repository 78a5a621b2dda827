-- Belongs to chronicle_reader, whom the reading policies are for: so a reader sees through it the
-- rows that the table would show, on version 14 too, which has no security_invoker.
-- The names are found once, not for each event.
create view chronicle.row_changes as
with names as materialized (
    select * from chronicle.table_names
)

select
    e.event_id,
    e.seq,
    e.occurred_at,
    e.transaction_id,
    e.table_id,
    n.schema_name,
    n.table_name,
    e.resource_id as record_id,
    case
        when e.action = e.resource_type || '.truncate' then 'TRUNCATE'
        when e.action_type = 'create' then 'INSERT'
        when e.action_type = 'update' then 'UPDATE'
        when e.action_type = 'delete' then 'DELETE'
    end as action,
    e.details_before as old_values,
    e.details_after as new_values,
    e.changed_columns,
    e.organization_id,
    e.actor_type,
    e.actor_id,
    e.db_user,
    e.context_state,
    e.request_id,
    e.ip_address,
    e.reason,
    e.payload_error
from chronicle.events as e
inner join names as n on n.table_id = e.table_id
where e.origin = 'captured';

comment on view chronicle.row_changes is
'Captured events in the classic shape. On updates old_values and new_values hold the columns that
changed. Order the changes of a record by seq.';
comment on column chronicle.row_changes.event_id is
'As in chronicle.events.';
comment on column chronicle.row_changes.seq is
'Orders the changes of a record.';
comment on column chronicle.row_changes.occurred_at is
'When the change was made.';
comment on column chronicle.row_changes.transaction_id is
'The transaction that made it.';
comment on column chronicle.row_changes.table_id is
'As in chronicle.tracked_tables.';
comment on column chronicle.row_changes.schema_name is
'Schema of the table today.';
comment on column chronicle.row_changes.table_name is
'Name of the table today.';
comment on column chronicle.row_changes.record_id is
'The primary key as text; null for a table without one, and for a truncate.';
comment on column chronicle.row_changes.action is
'INSERT, UPDATE, DELETE or TRUNCATE.';
comment on column chronicle.row_changes.old_values is
'The row, or what changed of it, before; null for an insert.';
comment on column chronicle.row_changes.new_values is
'The row, or what changed of it, after; null for a delete.';
comment on column chronicle.row_changes.changed_columns is
'What an update changed.';
comment on column chronicle.row_changes.organization_id is
'The tenant.';
comment on column chronicle.row_changes.actor_type is
'What kind of actor.';
comment on column chronicle.row_changes.actor_id is
'Who; see context_state for how far to believe it.';
comment on column chronicle.row_changes.db_user is
'The role that logged in.';
comment on column chronicle.row_changes.context_state is
'Where "who" comes from: verified, asserted, absent or malformed.';
comment on column chronicle.row_changes.request_id is
'The request that caused it.';
comment on column chronicle.row_changes.ip_address is
'Where the request came from.';
comment on column chronicle.row_changes.reason is
'Why, as the actor said.';
comment on column chronicle.row_changes.payload_error is
'Why values are missing or told as text although the change was recorded.';

revoke all on chronicle.row_changes from public;
alter view chronicle.row_changes owner to chronicle_reader;
