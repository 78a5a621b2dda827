create or replace function chronicle.organization_expression(_row text, _column name)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _column is null then 'null'
        else format('nullif(format(''%%s'', %s.%I), '''')', _row, _column)
    end
$$;

comment on function chronicle.organization_expression(text, name) is
'Private. The text of an expression that gives a row''s organization_id. _row: old or new. _column:
holds it; null for none.';

revoke execute on function chronicle.organization_expression(text, name) from public;
grant execute on function chronicle.organization_expression(text, name) to chronicle_writer;
