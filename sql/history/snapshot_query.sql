-- Rows are locked against writers while they are read, or a change that happens meanwhile could get
-- a lower number than the older row that is told after it.
create or replace function chronicle.snapshot_query(
    _table regclass, _options chronicle.table_registry, _operators text[], _last_key text[]
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'select %s as key, %s as organization, %s as image, array[%s]::text[] as key_values '
        'from %s %s as old%s%s for share of old',
        case
            when _options.key_columns = '{}' then 'null'
            else format(
                'chronicle.fitted_id(%s)',
                chronicle.key_expression('old', _table, _options.key_columns)
            )
        end,
        case
            when _options.organization_column is null then 'null::text'
            else format(
                'chronicle.fitted_id(nullif(format(''%%s'', old.%I), ''''))',
                _options.organization_column
            )
        end,
        chronicle.object_expression(c.names, c.expressions),
        k.texts,
        case r.relkind when 'r' then 'only' end,
        _table,
        ' where ' || case
            when _last_key is null or _operators is null then null
            else k.condition
        end,
        case when _operators is not null then ' order by ' || k.columns || ' limit $1' end
    )
    from pg_catalog.pg_class as r
    cross join lateral (
        select
            array_agg(a.column_name order by a.place) as names,
            array_agg(a.old_value order by a.place) as expressions
        from chronicle.capture_columns(_table, _options.masked_columns) as a
        where a.column_name = any(_options.captured_columns)
    ) as c
    cross join lateral (
        select
            string_agg(format('format(''%%s'', old.%I)', k.name), ', ' order by k.place) as texts,
            string_agg(format('old.%I', k.name), ', ' order by k.place) as columns,
            -- (a > x) or (a = x and b > y): a row comparison has one operator for all.
            case
                when count(distinct k.operator) = 1
                    then format(
                        '(%s) %s (%s)',
                        string_agg(format('old.%I', k.name), ', ' order by k.place),
                        min(k.operator),
                        string_agg(quote_nullable(k.value), ', ' order by k.place)
                    )
                else string_agg(
                    format(
                        '(%sold.%I %s %L)',
                        (
                            select string_agg(
                                format('old.%I = %L and ', p.name, p.value), '' order by p.place
                            )
                            from unnest(_options.key_columns, _last_key)
                                with ordinality as p (name, value, place)
                            where p.place < k.place
                        ),
                        k.name, k.operator, k.value
                    ),
                    ' or ' order by k.place
                )
            end as condition
        from unnest(_options.key_columns, _last_key, _operators)
            with ordinality as k (name, value, operator, place)
    ) as k
    where r.oid = _table
$$;

comment on function chronicle.snapshot_query(
    regclass, chronicle.table_registry, text[], text[]
) is
'Private. The text of a query that reads the next rows of a table for a snapshot; its parameter is
their number. _operators: as chronicle.key_order gives them; null for all rows at once.
_last_key: where the rows before ended.';

revoke execute on function chronicle.snapshot_query(
    regclass, chronicle.table_registry, text[], text[]
) from public;
grant execute on function chronicle.snapshot_query(
    regclass, chronicle.table_registry, text[], text[]
) to chronicle_admin;
