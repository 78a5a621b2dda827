create or replace function chronicle.is_captured_whole(_table regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.has_capture_triggers(_table)
        and not exists (select from chronicle.uncovered_partitions(_table))
        and chronicle.is_known_by_oid(chronicle.tracked_table_id(_table), _table)
        and chronicle.partition_names(_table) = (
            select p.partitions
            from chronicle.tracking_periods as p
            where p.table_id = chronicle.tracked_table_id(_table)
            order by p.from_seq desc
            limit 1
        )
        and chronicle.has_options(chronicle.tracked_table_id(_table))
        and not exists (
            select
            from chronicle.table_registry as r
            where r.table_id = chronicle.tracked_table_id(_table)
                and r.truncate = 'rows'
                and not has_table_privilege('chronicle_table_reader', _table, 'SELECT')
        )
$$;

comment on function chronicle.is_captured_whole(regclass) is
'Private. Whether nothing is left for chronicle.enable_tracking to do, the options being the same.';

revoke execute on function chronicle.is_captured_whole(regclass) from public;
grant execute on function chronicle.is_captured_whole(regclass) to chronicle_admin;
