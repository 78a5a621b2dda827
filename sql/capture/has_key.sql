create or replace function chronicle.has_key(_table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.primary_key_columns(chronicle.tracked_relation(_table_id))
        in (r.key_columns, '{}')
    from chronicle.table_registry as r
    where r.table_id = _table_id
$$;

comment on function chronicle.has_key(integer) is
'Private. Whether a tracked table has no other primary key than the one its records go by.';

revoke execute on function chronicle.has_key(integer) from public;
grant execute on function chronicle.has_key(integer) to chronicle_reader, chronicle_admin;
