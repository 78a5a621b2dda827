-- One statement, so that foreign keys are looked at when all of it is done. Rows go before others
-- change, those before others come, and of rows that take over each other's keys the one whose key
-- is free, so that a unique value is free when it is needed. Steps
-- that set the same columns of the same table go together. Every name in it is qualified, since it
-- is executed under the caller's search_path.
create or replace function chronicle.undo_statement(_steps chronicle.undo_step[])
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    with steps as (
        select
            s.relation, s.operation, s.key, s.image, s.rank,
            case s.operation when 'delete' then 1 when 'update' then 2 else 3 end as turn,
            array(
                select a.attname
                from pg_catalog.pg_attribute as a
                where a.attrelid = s.relation
                    and s.image ? a.attname::text
                    and a.attgenerated = ''
                    and not a.attisdropped
                order by a.attnum
            ) as columns
        from unnest(_steps) as s (relation, operation, key, image, rank)
    ),
    parts as (
        select
            row_number() over (order by s.turn, s.rank, s.relation::text, s.columns) as place,
            s.relation,
            s.operation,
            s.columns,
            jsonb_agg(
                case when s.key is null then '{}' else jsonb_build_object('key', s.key) end
                || case when s.image is null then '{}' else jsonb_build_object('image', s.image) end
            ) as data
        from steps as s
        group by s.turn, s.rank, s.relation, s.operation, s.columns
    ),
    texts as (
        select
            p.place,
            format(
                case p.operation
                    when 'delete' then
                        E'%1$s as (\n'
                        '    delete from %2$s %3$s as t\n'
                        '    using pg_catalog.jsonb_array_elements(%4$L::pg_catalog.jsonb) as d\n'
                        '    cross join lateral '
                        'pg_catalog.jsonb_populate_record('
                        'null::%3$s, d operator(pg_catalog.->) ''key'') as k\n'
                        '    where %5$s\n'
                        '    returning 1\n)'
                    when 'update' then
                        E'%1$s as (\n'
                        '    update %2$s %3$s as t\n'
                        '    set %6$s\n'
                        '    from pg_catalog.jsonb_array_elements(%4$L::pg_catalog.jsonb) as d\n'
                        '    cross join lateral '
                        'pg_catalog.jsonb_populate_record('
                        'null::%3$s, d operator(pg_catalog.->) ''key'') as k\n'
                        '    cross join lateral '
                        '(select d operator(pg_catalog.->) ''image'' as "!image") as i\n'
                        '    cross join lateral '
                        'pg_catalog.jsonb_populate_record('
                        'null::%3$s, '
                        'i."!image" operator(pg_catalog.-) %9$L::pg_catalog.text[]) as p\n'
                        '    where %5$s\n'
                        '    returning 1\n)'
                    else
                        E'%1$s as (\n'
                        '    insert into %3$s (%7$s) overriding system value\n'
                        '    select %8$s\n'
                        '    from pg_catalog.jsonb_array_elements(%4$L::pg_catalog.jsonb) as d\n'
                        '    cross join lateral '
                        '(select d operator(pg_catalog.->) ''image'' as "!image") as i\n'
                        '    cross join lateral '
                        'pg_catalog.jsonb_populate_record('
                        'null::%3$s, '
                        'i."!image" operator(pg_catalog.-) %9$L::pg_catalog.text[]) as p\n'
                        '    returning 1\n)'
                end,
                'step_' || p.place,
                case when c.relkind = 'r' then 'only' end,
                p.relation, -- 3
                p.data,
                k.condition, -- 5
                v.assignments,
                v.names, -- 7
                v.expressions,
                v.apart -- 9
            ) as text
        from parts as p
        inner join pg_catalog.pg_class as c on c.oid = p.relation
        cross join lateral (
            select string_agg(
                format(
                    case
                        when jsonb_path_exists(
                            p.data, '$[*].key ? (@.keyvalue().value == null)'
                        )
                            then '(t.%1$I operator(pg_catalog.=) k.%1$I '
                                'or t.%1$I is null and k.%1$I is null)'
                        when u.is_user_type
                            then 'row(t.%1$I)::pg_catalog.record operator(pg_catalog.*=) '
                                'row(k.%1$I)::pg_catalog.record'
                        else 't.%1$I operator(pg_catalog.=) k.%1$I'
                    end,
                    n.name
                ),
                ' and ' order by n.name
            ) as condition
            from jsonb_object_keys(p.data -> 0 -> 'key') as n (name)
            inner join chronicle.capture_columns(p.relation, '{}') as u on u.column_name = n.name
        ) as k
        cross join lateral (
            select
                string_agg(format('%I = %s', a.attname, e.from_image), ', ' order by a.attnum)
                    as assignments,
                string_agg(quote_ident(a.attname), ', ' order by a.attnum) as names,
                string_agg(e.from_image, ', ' order by a.attnum) as expressions,
                array(
                    select j.column_name
                    from chronicle.capture_columns(p.relation, '{}') as j
                    where j.base_type in ('json'::regtype, 'jsonb'::regtype) and not j.is_array
                ) as apart
            from chronicle.typed_columns(p.relation, chronicle.tracked_table_id(p.relation)) as e
            inner join pg_catalog.pg_attribute as a
                on a.attrelid = p.relation and a.attnum = e.place
            where a.attname = any(p.columns)
        ) as v
    )
    select case when count(*) > 0 then format(
        E'with %s\nselect %s',
        string_agg(t.text, E',\n' order by t.place),
        string_agg(
            format('(select pg_catalog.count(*) from step_%s)', t.place),
            ' operator(pg_catalog.+) ' order by t.place
        )
    ) end
    from texts as t
$$;

comment on function chronicle.undo_statement(chronicle.undo_step[]) is
'Private. The text of a statement that does all these steps and gives the number of rows that it
touched; null for no step.';

revoke execute on function chronicle.undo_statement(chronicle.undo_step[]) from public;
grant execute on function chronicle.undo_statement(chronicle.undo_step[]) to chronicle_reader;
