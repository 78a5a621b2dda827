-- A whole row is rendered by to_jsonb where that gives the same, which is cheaper than a pair for
-- each column; what JSON has no form for is put right afterwards, where there is any.
create or replace function chronicle.row_statements(
    _table regclass, _options chronicle.table_registry, _row text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when r.is_plain then format(E'        %s := to_jsonb(%s);\n', r.variable, _row) || case
            when r.exceptions is null then ''
            else format(
                E'        if %1$s then\n            %2$s := %2$s || %3$s;\n        end if;\n',
                r.exceptions, r.variable, chronicle.object_expression(r.odd_names, r.odd_values)
            )
        end
        else format(
            E'        %s := %s;\n', r.variable, chronicle.object_expression(r.names, r.values)
        )
    end
    from (
        select
            case _row when 'old' then 'v_before' else 'v_after' end as variable,
            coalesce(bool_and(c.is_plain), false)
            and cardinality(_options.masked_columns || _options.excluded_columns) = 0
            and not exists (
                select
                from pg_catalog.pg_attribute as a
                where a.attrelid = _table and a.attgenerated = 'v' and not a.attisdropped
            ) as is_plain,
            array_agg(c.column_name order by c.place) as names,
            array_agg(v.value order by c.place) as values,
            string_agg(v.exception, ' or ' order by c.place) as exceptions,
            array_agg(c.column_name order by c.place) filter (where v.exception is not null)
                as odd_names,
            array_agg(v.value order by c.place) filter (where v.exception is not null)
                as odd_values
        from chronicle.capture_columns(_table, _options.masked_columns) as c
        cross join lateral (
            select
                case _row when 'old' then c.old_value else c.new_value end as value,
                case _row when 'old' then c.old_exception else c.new_exception end as exception
        ) as v
        where c.column_name = any(_options.captured_columns)
    ) as r
$$;

comment on function chronicle.row_statements(regclass, chronicle.table_registry, text) is
'Private. The statements of a capture function that render a whole row. _options: the table''s row
of the registry. _row: old or new.';

revoke execute on function chronicle.row_statements(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.row_statements(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;
