-- A drifted event has the columns of its moment, by number. Which they are is told by the period in
-- which it was recorded, and for those that were new then, by the one that followed.
create or replace function chronicle.period_of_event(
    _periods chronicle.tracking_periods[], _seq bigint, _columns jsonb
)
returns chronicle.tracking_periods
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_place constant integer := greatest(
        1, (select count(*) from unnest(_periods) as p where p.from_seq <= _seq)
    );
    v_period chronicle.tracking_periods := _periods[v_place];
    v_next constant chronicle.tracking_periods := _periods[v_place + 1];
begin
    if _columns is null then
        return v_period;
    end if;
    select
        coalesce(array_agg(c.name), '{}'),
        coalesce(array_agg(coalesce(k.column_id, n.column_id, -c.number)), '{}'),
        coalesce(array_agg(c.type), '{}')
    into v_period.column_names, v_period.column_ids, v_period.column_types
    from (
        select e.key::name as name, (e.value ->> 0)::integer as number, e.value ->> 1 as type
        from jsonb_each(_columns) as e (key, value)
    ) as c
    left join unnest(v_period.column_numbers, v_period.column_ids) as k (column_number, column_id)
        on k.column_number = c.number
    left join unnest(v_next.column_numbers, v_next.column_ids) as n (column_number, column_id)
        on n.column_number = c.number and k.column_id is null;
    v_period.recorded_columns := v_period.column_names;
    v_period.from_seq := _seq;
    return v_period;
end
$$;

comment on function chronicle.period_of_event(chronicle.tracking_periods[], bigint, jsonb) is
'Private. The columns that an event knows, as a period. _columns: of a drifted event, its columns
with their numbers and types; null for any other.
_periods: as chronicle.column_periods gives them.';

revoke execute on function chronicle.period_of_event(
    chronicle.tracking_periods[], bigint, jsonb
) from public;
grant execute on function chronicle.period_of_event(
    chronicle.tracking_periods[], bigint, jsonb
) to chronicle_reader;
