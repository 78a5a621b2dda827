create or replace function chronicle.table_shape(_table regclass)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
    select coalesce(
        array_agg(format('%I %s', a.attname, a.atttypid::regtype) order by a.attnum), '{}'
    )
    from pg_catalog.pg_attribute as a
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
$$;

comment on function chronicle.table_shape(regclass) is
'Private. The columns of a table with their types, in order.';

revoke execute on function chronicle.table_shape(regclass) from public;
grant execute on function chronicle.table_shape(regclass)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
