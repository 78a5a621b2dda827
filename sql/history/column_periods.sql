-- The periods of a table, and after them the present, if its columns are others by now.
create or replace function chronicle.column_periods(_table_id integer)
returns setof chronicle.tracking_periods
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_period chronicle.tracking_periods;
    v_last chronicle.tracking_periods;
begin
    for v_last in
        select p.* from chronicle.tracking_periods as p where p.table_id = _table_id
        order by p.from_seq
    loop
        return next v_last;
    end loop;

    v_period := v_last;
    select
        array_agg(c.column_name order by c.column_number),
        array_agg(c.column_type order by c.column_number),
        array_agg(c.column_number order by c.column_number),
        -- What is new has no number yet; any that no other column has will do.
        array_agg(coalesce(c.column_id, -c.column_number) order by c.column_number),
        array_agg(c.column_name order by c.column_number) filter (
            where not c.is_virtual and c.column_name <> all(o.excluded_columns)
        )
    into
        v_period.column_names, v_period.column_types, v_period.column_numbers,
        v_period.column_ids, v_period.recorded_columns
    from chronicle.identified_columns(chronicle.tracked_relation(_table_id), v_last) as c
    cross join chronicle.present_options(_table_id) as o;
    if v_period.column_names <> v_last.column_names
        or v_period.column_types <> v_last.column_types
    then
        v_period.from_seq := 9223372036854775807;
        v_period.until_seq := null;
        v_period.ended_at := null;
        v_period.began_at := now();
        v_period.is_continuation := true;
        return next v_period;
    end if;
end
$$;

comment on function chronicle.column_periods(integer) is
'Private. chronicle.tracking_periods of a table in their order, and the present as one more period
while the table has changed since the last.';

revoke execute on function chronicle.column_periods(integer) from public;
grant execute on function chronicle.column_periods(integer) to chronicle_reader;
