create or replace function chronicle.has_shape(_table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select r.shape = chronicle.table_shape(chronicle.tracked_relation(_table_id))
    from chronicle.table_registry as r
    where r.table_id = _table_id and chronicle.tracked_relation(_table_id) is not null
$$;

comment on function chronicle.has_shape(integer) is
'Private. Whether a tracked table has the columns and types it had when its capture functions were
made.';

revoke execute on function chronicle.has_shape(integer) from public;
grant execute on function chronicle.has_shape(integer)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
