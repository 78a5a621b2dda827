create or replace function chronicle.is_known_by_oid(_table_id integer, _table oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from pg_catalog.pg_proc as p
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname = format('capture_%s_insert', _table_id)
            and position(format('(%s, %L)', _table_id, _table) in p.prosrc) > 0
    )
$$;

comment on function chronicle.is_known_by_oid(integer, oid) is
'Private. Whether the capture functions were made for the table with this oid. Not so in a restored
database: there, attribute numbers may be others as well.';

revoke execute on function chronicle.is_known_by_oid(integer, oid) from public;
grant execute on function chronicle.is_known_by_oid(integer, oid)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
