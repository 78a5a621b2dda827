create or replace function chronicle.uncovered_partitions(_table regclass)
returns setof regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select p.relid
    from pg_partition_tree(_table) as p
    inner join pg_catalog.pg_class as c on c.oid = p.relid
    where c.relkind <> 'f'
        and not exists (
            select
            from pg_catalog.pg_trigger as t
            where t.tgrelid = p.relid and t.tgname = '!chronicle_truncate' and t.tgenabled = 'A'
        )
$$;

comment on function chronicle.uncovered_partitions(regclass) is
'Private. The partitions of a tracked table whose own truncate is not recorded.';

revoke execute on function chronicle.uncovered_partitions(regclass) from public;
grant execute on function chronicle.uncovered_partitions(regclass)
to chronicle_reader, chronicle_admin;
