-- The periods of a table, and after them the present, if its columns are others by now.
create or replace function chronicle.column_periods(_table_id integer)
returns setof chronicle.tracking_periods
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select p.*
    from chronicle.tracking_periods as p
    where p.table_id = _table_id
    union all
    select
        p.table_id, 9223372036854775807, null, now(), null, true, p.key_columns, c.names, c.types,
        c.numbers, c.ids, c.recorded
    from (
        select l.*
        from chronicle.tracking_periods as l
        where l.table_id = _table_id
        order by l.from_seq desc
        limit 1
    ) as p
    cross join lateral (
        select
            array_agg(a.attname order by a.attnum) as names,
            array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum) as types,
            array_agg(a.attnum order by a.attnum) as numbers,
            -- What is new has no number yet; any that no other column has will do.
            array_agg(coalesce(k.column_id, -a.attnum) order by a.attnum) as ids,
            array_agg(a.attname order by a.attnum) filter (
                where a.attgenerated <> 'v'
                    and a.attname <> all(
                        (
                            select o.excluded_columns
                            from chronicle.present_options(_table_id) as o
                        )::name[]
                    )
            ) as recorded
        from pg_catalog.pg_attribute as a
        left join unnest(p.column_names, p.column_numbers, p.column_ids)
            as k (column_name, column_number, column_id)
            on case
                when chronicle.is_known_by_oid(_table_id, a.attrelid)
                    then k.column_number = a.attnum
                else k.column_name = a.attname
            end
        where a.attrelid = chronicle.tracked_relation(_table_id)
            and a.attnum > 0
            and not a.attisdropped
    ) as c
    where c.names <> p.column_names or c.types <> p.column_types
    order by 2
$$;

comment on function chronicle.column_periods(integer) is
'Private. chronicle.tracking_periods of a table in their order, and the present as one more period
while the table has changed since the last.';

revoke execute on function chronicle.column_periods(integer) from public;
grant execute on function chronicle.column_periods(integer) to chronicle_reader;
