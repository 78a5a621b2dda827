create or replace function chronicle.is_captured_whole(_table regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.has_capture_triggers(_table)
        and not exists (select from chronicle.uncovered_partitions(_table))
        and chronicle.is_known_by_oid(chronicle.tracked_table_id(_table), _table)
$$;

comment on function chronicle.is_captured_whole(regclass) is
'Private. Whether nothing is left for chronicle.enable_tracking to do, the options being the same.';

revoke execute on function chronicle.is_captured_whole(regclass) from public;
grant execute on function chronicle.is_captured_whole(regclass) to chronicle_admin;
