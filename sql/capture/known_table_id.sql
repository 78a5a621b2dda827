-- A table of the same name as one that is no longer tracked goes on with its history, unless that
-- one was renamed and is tracked under its new name.
create or replace function chronicle.known_table_id(_table regclass)
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        chronicle.tracked_table_id(_table),
        (
            select max(r.table_id)
            from chronicle.table_registry as r
            inner join chronicle.table_names as n on n.table_id = r.table_id
            inner join pg_catalog.pg_namespace as s on s.nspname = r.schema_name
            inner join pg_catalog.pg_class as c
                on c.relnamespace = s.oid and c.relname = r.table_name
            where c.oid = _table and n.relation is null
        )
    )
$$;

comment on function chronicle.known_table_id(regclass) is
'Private. The table_id of a table that is or was tracked; null for any other.';

revoke execute on function chronicle.known_table_id(regclass) from public;
grant execute on function chronicle.known_table_id(regclass) to chronicle_reader, chronicle_admin;
