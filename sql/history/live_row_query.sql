-- The same expressions by which rows are captured, so that what stands in the table can be compared
-- with what was recorded of it.
create or replace function chronicle.live_row_query(_table regclass, _table_id integer)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'select chronicle.fitted_id(%s) as record_id, %s as image from %s %s as old',
        chronicle.key_expression('old', _table, o.key_columns),
        chronicle.object_expression(c.names, c.expressions),
        case k.relkind when 'r' then 'only' end,
        _table
    )
    from chronicle.present_options(_table_id) as o
    inner join pg_catalog.pg_class as k on k.oid = _table
    cross join lateral (
        select
            array_agg(a.column_name order by a.place) as names,
            array_agg(a.old_value order by a.place) as expressions
        from chronicle.capture_columns(_table, o.masked_columns) as a
        where a.column_name <> all(o.excluded_columns)
    ) as c
$$;

comment on function chronicle.live_row_query(regclass, integer) is
'Private. The text of a query that gives record_id and image of the rows of a table.';

revoke execute on function chronicle.live_row_query(regclass, integer) from public;
grant execute on function chronicle.live_row_query(regclass, integer) to chronicle_reader;
