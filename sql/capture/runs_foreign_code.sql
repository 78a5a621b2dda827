-- The planner evaluates functions of constants in expressions of indexes, statistics and partition
-- keys, as whoever asks. In any of the relations that a read of the table would open.
create or replace function chronicle.runs_foreign_code(_table oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    with relations as (
        select _table as relation
        union
        select p.relid from pg_partition_tree(_table) as p
    ),
    objects as (
        select 'pg_catalog.pg_class'::regclass as class, i.indexrelid as object
        from pg_catalog.pg_index as i
        inner join relations as r on r.relation = i.indrelid
        where i.indexprs is not null or i.indpred is not null
        union all
        select 'pg_catalog.pg_statistic_ext'::regclass, s.oid
        from pg_catalog.pg_statistic_ext as s
        inner join relations as r on r.relation = s.stxrelid
        where s.stxexprs is not null
        union all
        select 'pg_catalog.pg_class'::regclass, t.partrelid
        from pg_catalog.pg_partitioned_table as t
        inner join relations as r on r.relation = t.partrelid
        where t.partexprs is not null
    )
    select exists (
        select
        from objects as o
        inner join pg_catalog.pg_depend as d on d.classid = o.class and d.objid = o.object
        where d.refobjid >= 16384
            and d.refclassid in (
                'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass,
                'pg_catalog.pg_type'::regclass
            )
    )
$$;

comment on function chronicle.runs_foreign_code(oid) is
'Private. Whether planning a read of the table would evaluate functions that users have made.';

revoke execute on function chronicle.runs_foreign_code(oid) from public;
grant execute on function chronicle.runs_foreign_code(oid)
to chronicle_table_reader, chronicle_reader, chronicle_admin;
