-- The trigger on the table leads to the function, and the function's name to the id: that survives
-- a rename, and dump and restore.
create or replace function chronicle.tracked_table_id(_table regclass)
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select substring(p.proname from '^capture_([0-9]+)_')::integer
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = _table and p.pronamespace = 'chronicle_capture'::regnamespace
    limit 1
$$;

comment on function chronicle.tracked_table_id(regclass) is
'Private. The table_id of a table whose capture triggers stand; null for any other table.';

revoke execute on function chronicle.tracked_table_id(regclass) from public;
grant execute on function chronicle.tracked_table_id(regclass)
to chronicle_admin, chronicle_writer, chronicle_table_reader, chronicle_reader;
