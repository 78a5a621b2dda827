create or replace function chronicle.partition_names(_table oid)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
    select coalesce(array_agg(p.relid::text order by p.relid::text), '{}')
    from pg_partition_tree(_table) as p
    where p.isleaf and p.relid <> _table
$$;

comment on function chronicle.partition_names(oid) is
'Private. The partitions of a table that hold rows.';

revoke execute on function chronicle.partition_names(oid) from public;
grant execute on function chronicle.partition_names(oid) to chronicle_reader, chronicle_admin;
