-- A primary key holds no null; columns that stand for one may.
create or replace function chronicle.key_expression(
    _row text, _table regclass, _key_columns name[]
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case cardinality(_key_columns)
        when 0 then 'null'
        when 1 then k.expressions[1]
        else chronicle.object_expression(_key_columns, k.expressions) || '::text'
    end
    from (
        select array_agg(
            format(
                case
                    when a.attnotnull then 'format(''%%s'', %1$s.%2$I)'
                    else 'case when %1$s.%2$I is distinct from null '
                        'then format(''%%s'', %1$s.%2$I) end'
                end,
                _row, k.name
            )
            order by k.place
        ) as expressions
        from unnest(_key_columns) with ordinality as k (name, place)
        inner join pg_catalog.pg_attribute as a
            on a.attrelid = _table and a.attname = k.name and not a.attisdropped
    ) as k
$$;

comment on function chronicle.key_expression(text, regclass, name[]) is
'Private. The text of an expression that gives a row''s resource_id: the bare value of one key
column, or a JSON object of several, each as text. _row: old or new.';

revoke execute on function chronicle.key_expression(text, regclass, name[]) from public;
grant execute on function chronicle.key_expression(text, regclass, name[])
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
