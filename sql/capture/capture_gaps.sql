create or replace function chronicle.capture_gaps(_table regclass)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(g.sentence order by g.place, g.sentence), '{}')
    from (
        select
            1 as place,
            format(
                'A truncate of partition %s by itself is not recorded; '
                'chronicle.refresh_tracking takes it up.',
                p.relation
            ) as sentence
        from chronicle.uncovered_partitions(_table) as p (relation)
        union all
        select
            2,
            format('What the server of foreign partition %s does to it is not seen.', p.relid)
        from pg_partition_tree(_table) as p
        inner join pg_catalog.pg_class as c on c.oid = p.relid
        where c.relkind = 'f'
        union all
        select
            3,
            format(
                'Rows of %s, which inherits from it, are not recorded; track it as well.',
                i.inhrelid::regclass
            )
        from pg_catalog.pg_inherits as i
        inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
        where i.inhparent = _table
            and not c.relispartition
            and chronicle.tracked_table_id(i.inhrelid) is null
        union all
        select
            4,
            case
                when not has_table_privilege('chronicle_table_reader', _table, 'SELECT')
                    then 'A truncate is recorded without its rows: chronicle_table_reader may not '
                        'read them; chronicle.refresh_tracking allows it.'
                when c.relrowsecurity
                    then 'A truncate is recorded without its rows: the table''s row-level security '
                        'would hide some from chronicle_table_reader.'
                else 'A truncate is recorded without its rows: an index, statistics or the '
                    'partition key call functions of a user, which chronicle_table_reader must '
                    'not run.'
            end
        from pg_catalog.pg_class as c
        inner join chronicle.table_registry as r
            on r.table_id = chronicle.tracked_table_id(_table) and r.truncate = 'rows'
        where c.oid = _table
            and (
                c.relrowsecurity
                or chronicle.runs_foreign_code(_table)
                or not has_table_privilege('chronicle_table_reader', _table, 'SELECT')
            )
        union all
        select
            5,
            format(
                'What the INSTEAD OF triggers of view %s write elsewhere is recorded only where '
                'that is tracked.', v.oid::regclass
            )
        from pg_catalog.pg_depend as d
        inner join pg_catalog.pg_rewrite as w on w.oid = d.objid
        inner join pg_catalog.pg_class as v on v.oid = w.ev_class and v.relkind = 'v'
        where d.classid = 'pg_catalog.pg_rewrite'::regclass
            and d.refclassid = 'pg_catalog.pg_class'::regclass
            and d.refobjid = _table
            and exists (
                select from pg_catalog.pg_trigger as t where t.tgrelid = v.oid and t.tgtype & 64 > 0
            )
        group by v.oid
        union all
        select 6, format('Changes that subscription "%s" brings are not recorded.', s.subname)
        from pg_catalog.pg_subscription_rel as u
        inner join pg_catalog.pg_subscription as s on s.oid = u.srsubid
        where u.srrelid = _table
            or u.srrelid in (select p.relid from pg_partition_tree(_table) as p)
        group by s.subname
        union all
        select
            7,
            format(
                'Table %s calls its capture functions as well, by trigger "%s": what that records '
                'did not happen here.',
                t.tgrelid::regclass, t.tgname
            )
        from pg_catalog.pg_trigger as t
        inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and starts_with(
                p.proname, format('capture_%s_', chronicle.tracked_table_id(_table))
            )
            and t.tgrelid <> _table
            and t.tgrelid not in (select l.relid from pg_partition_tree(_table) as l)
    ) as g
$$;

comment on function chronicle.capture_gaps(regclass) is
'Private. Ways to change what a tracked table shows that leave no event, each in a sentence.';

revoke execute on function chronicle.capture_gaps(regclass) from public;
grant execute on function chronicle.capture_gaps(regclass) to chronicle_reader, chronicle_admin;
