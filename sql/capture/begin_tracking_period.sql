-- A column is the one it was when it has its attribute number; in a restored database, where
-- numbers are given anew, when it has its name. Called under a lock that keeps writers out, so the
-- number of the first event parts what was recorded before from what will be.
create or replace function chronicle.begin_tracking_period(
    _table regclass, _options chronicle.table_registry, _is_continuation boolean
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before chronicle.tracking_periods;
    v_after chronicle.tracking_periods;
    v_are_numbers_kept constant boolean := chronicle.is_known_by_oid(_options.table_id, _table);
begin
    select p.* into v_before
    from chronicle.tracking_periods as p
    where p.table_id = _options.table_id
    order by p.from_seq desc
    limit 1;

    select
        coalesce(array_agg(a.attname order by a.attnum), '{}'),
        coalesce(array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum), '{}'),
        coalesce(array_agg(a.attnum order by a.attnum), '{}')
    into v_after.column_names, v_after.column_types, v_after.column_numbers
    from pg_catalog.pg_attribute as a
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped;

    v_after.partitions := chronicle.partition_names(_table);
    -- With a partition that was taken away, rows went that no event tells of.
    v_after.is_continuation := _is_continuation
        and v_before.table_id is not null
        and v_before.until_seq is null
        and v_before.partitions <@ v_after.partitions;
    if v_after.is_continuation
        and v_before.key_columns = _options.key_columns
        and v_before.column_names = v_after.column_names
        and v_before.column_types = v_after.column_types
        and v_before.column_numbers = v_after.column_numbers
        and v_before.recorded_columns = _options.captured_columns
        and v_before.partitions = v_after.partitions
    then
        return;
    end if;

    select coalesce(array_agg(c.column_id order by c.place), '{}') into v_after.column_ids
    from (
        select
            n.place,
            coalesce(
                b.column_id,
                h.highest + row_number() over (partition by b.column_id order by n.place)
            ) as column_id
        from unnest(v_after.column_names, v_after.column_numbers)
            with ordinality as n (column_name, column_number, place)
        left join unnest(v_before.column_names, v_before.column_numbers, v_before.column_ids)
            as b (column_name, column_number, column_id)
            on case
                when v_are_numbers_kept then b.column_number = n.column_number
                else b.column_name = n.column_name
            end
        cross join (
            select coalesce(max(i.column_id), 0) as highest
            from chronicle.tracking_periods as p
            cross join lateral unnest(p.column_ids) as i (column_id)
            where p.table_id = _options.table_id
        ) as h
    ) as c;

    insert into chronicle.tracking_periods (
        table_id, from_seq, is_continuation, key_columns, column_names, column_types,
        column_numbers, column_ids, recorded_columns, partitions
    ) values (
        _options.table_id, nextval('chronicle.events_seq'), v_after.is_continuation,
        _options.key_columns, v_after.column_names, v_after.column_types, v_after.column_numbers,
        v_after.column_ids, _options.captured_columns, v_after.partitions
    );
end
$$;

comment on function chronicle.begin_tracking_period(
    regclass, chronicle.table_registry, boolean
) is
'Private. Begins a period in chronicle.tracking_periods unless the present one goes on unchanged.
_options: the table''s row of the registry. _is_continuation: whether the capture triggers stood
until now.';

revoke execute on function chronicle.begin_tracking_period(
    regclass, chronicle.table_registry, boolean
) from public;
