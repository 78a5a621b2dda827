create or replace function chronicle.unguarded_partitions(_table oid)
returns oid[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(l.relid::oid order by l.relid::oid), '{}')
    from pg_partition_tree(_table) as l
    where l.isleaf
        and l.relid <> _table
        and not exists (
            select
            from pg_partition_ancestors(l.relid) as a (relid)
            inner join pg_partition_tree(_table) as p on p.relid = a.relid
            inner join pg_catalog.pg_trigger as t on t.tgrelid = a.relid
            where a.relid <> _table and t.tgname = '!chronicle_truncate' and t.tgenabled = 'A'
        )
$$;

comment on function chronicle.unguarded_partitions(oid) is
'Private. The partitions, at the lowest level, whose truncate neither they nor a partition above
them, below _table, would record.';

revoke execute on function chronicle.unguarded_partitions(oid) from public;
grant execute on function chronicle.unguarded_partitions(oid) to chronicle_table_reader;
