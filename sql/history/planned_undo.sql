create or replace function chronicle.planned_undo(
    _events chronicle.row_events[], _condition text, _lock boolean
)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set lc_monetary = 'C'
set extra_float_digits = 1
set quote_all_identifiers = off
as $$
declare
    v_table record;
    v_event chronicle.row_events;
    v_steps chronicle.undo_step[] := '{}';
begin
    foreach v_event in array _events loop
        -- The event of a truncate as a whole is told by those of its rows.
        if v_event.payload_error is not null and not v_event.is_drifted
            or v_event.record_id is null and v_event.action <> 'TRUNCATE'
            or v_event.record_id is null and not exists (
                select
                from chronicle.events as e
                where e.event_id = v_event.event_id
                    and e.occurred_at = v_event.occurred_at
                    and e.action_meta -> 'rows' = e.action_meta -> 'recorded'
            )
        then
            raise exception 'event % does not tell all that it changed', v_event.event_id
                using errcode = 'object_not_in_prerequisite_state',
                    detail = coalesce(
                        v_event.payload_error,
                        case v_event.action
                            when 'TRUNCATE' then 'It is a truncate without its rows.'
                            else 'Its table has no key.'
                        end
                    ),
                    hint = 'Take it back by hand, with what was recorded: chronicle.row_changes.';
        end if;
    end loop;

    for v_table in
        select e.table_id, chronicle.tracked_relation(e.table_id)::regclass as relation
        from unnest(_events) as e
        group by e.table_id
        order by e.table_id
    loop
        if v_table.relation is null then
            raise exception 'a table that was changed is no longer tracked'
                using errcode = 'object_not_in_prerequisite_state',
                    detail = (
                        select format('It was %I.%I.', r.schema_name, r.table_name)
                        from chronicle.table_registry as r
                        where r.table_id = v_table.table_id
                    ),
                    hint = 'Take the change back by hand: chronicle.row_changes has the values.';
        end if;
        perform chronicle.table_with_history(v_table.relation);
        v_steps := v_steps || array(
            select s
            from chronicle.undo_steps(
                v_table.relation, v_table.table_id, _condition, _lock
            ) as s
        );
    end loop;
    v_steps := chronicle.ranked_steps(v_steps);
    perform chronicle.check_cascades(v_steps);
    return chronicle.undo_statement(v_steps);
end
$$;

comment on function chronicle.planned_undo(chronicle.row_events[], text, boolean) is
'Private. The statement that takes back these events; null when nothing is left to be done.
_condition: by which chronicle.net_changes finds the events. _lock: whether to lock the rows.
Errors: 55000 for what was not recorded; ZC008 for what was changed since.';

revoke execute on function chronicle.planned_undo(chronicle.row_events[], text, boolean)
from public;
grant execute on function chronicle.planned_undo(chronicle.row_events[], text, boolean)
to chronicle_reader;
