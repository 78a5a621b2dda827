-- The triggers that call this stand on the log's tables and on every partition, and fire always, in
-- replica mode too. The row triggers of chronicle.events are cloned to partitions; statement
-- triggers are not, so chronicle.add_partition makes them.
create or replace function chronicle.reject_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% on %.% is refused', lower(tg_op), tg_table_schema, tg_table_name
        using errcode = 'ZC003',
            detail = 'The log is append-only: '
                'what has been recorded is neither changed nor removed.',
            hint = 'To correct an event, log another one with _parent_event_id set to its id.';
end
$$;

comment on function chronicle.reject_change() is
'Trigger function: refuses update, delete and truncate with ZC003.';

revoke execute on function chronicle.reject_change() from public;

create trigger events_reject_row_change
before delete on chronicle.events
for each row execute function chronicle.reject_change();

create trigger events_reject_change
before delete or truncate on chronicle.events
for each statement execute function chronicle.reject_change();

-- There is no such role until somebody enables erasure, and then it may change payloads only.
create trigger events_reject_update
before update on chronicle.events
for each statement when (current_user <> 'chronicle_eraser')
execute function chronicle.reject_change();

alter table chronicle.events enable always trigger events_reject_row_change;
alter table chronicle.events enable always trigger events_reject_change;
alter table chronicle.events enable always trigger events_reject_update;

comment on trigger events_reject_row_change on chronicle.events is
'Refuses to remove rows; cloned to every partition.';
comment on trigger events_reject_change on chronicle.events is
'Refuses statements that remove rows, truncate among them; every partition has its own.';
comment on trigger events_reject_update on chronicle.events is
'Refuses updates, but by the role that erases.';
