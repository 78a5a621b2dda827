create or replace function chronicle.plan_event_undo(_event_id uuid, _lock boolean)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
declare
    v_event chronicle.row_events;
begin
    select e.* into v_event
    from chronicle.row_events as e
    where e.event_id = _event_id and e.origin = 'captured';
    if v_event.event_id is null then
        raise exception 'there is no captured event %', coalesce(_event_id::text, 'null')
            using errcode = 'no_data_found',
                detail = 'Or row-level security hides it.',
                hint = 'chronicle.row_changes has the captured events that you may see.';
    end if;
    return chronicle.planned_undo(
        array[v_event],
        format('e.event_id = %L and e.occurred_at = %L', v_event.event_id, v_event.occurred_at),
        _lock
    );
end
$$;

comment on function chronicle.plan_event_undo(uuid, boolean) is
'Private. The statement that takes back one event. _lock: whether to lock the rows.
Errors: as chronicle.revert_event.';

revoke execute on function chronicle.plan_event_undo(uuid, boolean) from public;
grant execute on function chronicle.plan_event_undo(uuid, boolean) to chronicle_reader;
