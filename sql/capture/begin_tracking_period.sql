-- Called under a lock that keeps writers out, so the number of the first event parts what was
-- recorded before from what will be.
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
    v_highest_id integer;
begin
    select p.* into v_before
    from chronicle.tracking_periods as p
    where p.table_id = _options.table_id
    order by p.from_seq desc
    limit 1;

    select coalesce(max(i.column_id), 0) into v_highest_id
    from chronicle.tracking_periods as p
    cross join lateral unnest(p.column_ids) as i (column_id)
    where p.table_id = _options.table_id;
    select
        coalesce(array_agg(c.column_name order by c.column_number), '{}'),
        coalesce(array_agg(c.column_type order by c.column_number), '{}'),
        coalesce(array_agg(c.column_number order by c.column_number), '{}'),
        coalesce(array_agg(coalesce(c.column_id, c.new_id) order by c.column_number), '{}')
    into
        v_after.column_names, v_after.column_types, v_after.column_numbers, v_after.column_ids
    from (
        select
            n.*,
            v_highest_id
            + row_number() over (partition by n.column_id order by n.column_number) as new_id
        from chronicle.identified_columns(_table, v_before) as n
    ) as c;

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
