create or replace function chronicle.key_expression(_row text, _key_columns name[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case cardinality(_key_columns)
        when 0 then 'null'
        when 1 then format('format(''%%s'', %s.%I)', _row, _key_columns[1])
        else chronicle.object_expression(
            _key_columns,
            array(
                select format('format(''%%s'', %s.%I)', _row, k.name)
                from unnest(_key_columns) with ordinality as k (name, place)
                order by k.place
            )
        ) || '::text'
    end
$$;

comment on function chronicle.key_expression(text, name[]) is
'Private. The text of an expression that gives a row''s resource_id: the bare value of one key
column, or a JSON object of several, each as text. _row: old or new.';

revoke execute on function chronicle.key_expression(text, name[]) from public;
grant execute on function chronicle.key_expression(text, name[]) to chronicle_writer;
