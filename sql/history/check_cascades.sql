-- A delete that cascades, or sets columns to null, would change rows that the undo does not speak
-- of, perhaps in tables that are not tracked.
create or replace function chronicle.check_cascades(_steps chronicle.undo_step[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_link record;
    v_count bigint;
begin
    for v_link in
        select
            f.conname,
            f.conrelid::regclass as child,
            f.confrelid::regclass as parent,
            (
                select string_agg(
                    format('c.%I = p.%I', a.attname, b.attname), ' and ' order by k.place
                )
                from unnest(f.conkey, f.confkey) with ordinality as k (child, parent, place)
                inner join pg_catalog.pg_attribute as a
                    on a.attrelid = f.conrelid and a.attnum = k.child
                inner join pg_catalog.pg_attribute as b
                    on b.attrelid = f.confrelid and b.attnum = k.parent
            ) as is_linked,
            (
                select string_agg(format('%1$s.%2$I = k.%2$I', 'p', n.name), ' and ')
                from jsonb_object_keys(s.parents -> 0) as n (name)
            ) as is_parent,
            s.parents,
            (
                select string_agg(format('c.%1$I = k.%1$I', n.name), ' and ')
                from jsonb_object_keys(o.children -> 0) as n (name)
            ) as is_child,
            o.children
        from pg_catalog.pg_constraint as f
        inner join (
            select d.relation, jsonb_agg(d.key) as parents
            from unnest(_steps) as d
            where d.operation = 'delete'
            group by 1
        ) as s on s.relation = f.confrelid
        left join (
            select d.relation, jsonb_agg(d.key) as children
            from unnest(_steps) as d
            where d.operation <> 'insert'
            group by 1
        ) as o on o.relation = f.conrelid
        where f.contype = 'f' and f.conparentid = 0 and f.confdeltype in ('c', 'n', 'd')
    loop
        execute format(
            'select count(*) from %s as c '
            'inner join %s as p on %s '
            'inner join jsonb_populate_recordset(null::%s, %L) as k on %s'
            '%s',
            v_link.child,
            v_link.parent,
            v_link.is_linked,
            v_link.parent,
            v_link.parents,
            v_link.is_parent,
            case when v_link.children is not null then format(
                ' where not exists (select from jsonb_populate_recordset(null::%s, %L) as k '
                'where %s)',
                v_link.child, v_link.children, v_link.is_child
            ) end
        )
        into v_count;
        if v_count > 0 then
            perform chronicle.refuse_conflict(
                format(
                    'Deleting rows of %s would change %s rows of %s by the foreign key "%s".',
                    v_link.parent, v_count, v_link.child, v_link.conname
                ),
                'They were added since, or by another transaction. Take those changes back first, '
                'or change the rows by hand.'
            );
        end if;
    end loop;
end
$$;

comment on function chronicle.check_cascades(chronicle.undo_step[]) is
'Private. Raises ZC008 when a foreign key would carry a delete to rows that are not part of the
undo.';

revoke execute on function chronicle.check_cascades(chronicle.undo_step[]) from public;
grant execute on function chronicle.check_cascades(chronicle.undo_step[]) to chronicle_reader;
