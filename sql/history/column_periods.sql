-- The periods of a table, and after them the present, if its columns are others by now.
create or replace function chronicle.column_periods(_table_id integer)
returns setof chronicle.tracking_periods
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_relation constant oid := chronicle.tracked_relation(_table_id);
    v_are_numbers_kept constant boolean := chronicle.is_known_by_oid(_table_id, v_relation);
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
        array_agg(a.attname order by a.attnum),
        array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum),
        array_agg(a.attnum order by a.attnum),
        -- What is new has no number yet; any that no other column has will do.
        array_agg(coalesce(k.column_id, -a.attnum) order by a.attnum),
        array_agg(a.attname order by a.attnum) filter (
            where a.attgenerated <> 'v' and a.attname <> all(o.excluded_columns)
        )
    into
        v_period.column_names, v_period.column_types, v_period.column_numbers,
        v_period.column_ids, v_period.recorded_columns
    from pg_catalog.pg_attribute as a
    cross join chronicle.present_options(_table_id) as o
    left join unnest(v_last.column_names, v_last.column_numbers, v_last.column_ids)
        as k (column_name, column_number, column_id)
        on case
            when v_are_numbers_kept then k.column_number = a.attnum
            else k.column_name = a.attname
        end
    where a.attrelid = v_relation and a.attnum > 0 and not a.attisdropped;
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
