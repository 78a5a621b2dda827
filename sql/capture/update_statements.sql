-- All comparisons are one expression: PL/pgSQL makes each one ready once a transaction, which for a
-- single row costs more than the comparisons. What is rendered is only what changed.
create or replace function chronicle.update_statements(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        E'        foreach v_place in array array_positions(array[%s], true) loop\n'
        '%s        end loop;\n',
        string_agg(c.comparison, ', ' order by c.place),
        chronicle.choice_statements(array_agg(
            format(
                E'                v_changed := array_append(v_changed, %1$L);\n'
                || case _options.capture
                    when 'full' then ''
                    else
                        E'                v_before := coalesce(v_before, ''{}'') '
                        '|| jsonb_build_object(%1$L, %2$s);\n'
                        '                v_after := coalesce(v_after, ''{}'') '
                        '|| jsonb_build_object(%1$L, %3$s);\n'
                end,
                c.column_name, c.old_value, c.new_value
            )
            order by c.place
        ))
    )
    from chronicle.capture_columns(_table, _options.masked_columns) as c
    where c.column_name = any(_options.captured_columns)
    having count(*) > 0
$$;

comment on function chronicle.update_statements(regclass, chronicle.table_registry) is
'Private. The statements of a capture function that find what an update changed and render it.
_options: the table''s row of the registry.';

revoke execute on function chronicle.update_statements(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.update_statements(regclass, chronicle.table_registry)
to chronicle_writer, chronicle_table_reader;
