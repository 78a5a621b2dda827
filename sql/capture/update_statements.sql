-- All comparisons are one expression: PL/pgSQL makes each one ready once a transaction, which for a
-- single row costs more than the comparisons. What is rendered is only what changed.
--
-- A value that is stored apart and was not touched is the same one: it is not fetched. Whether
-- there is any such value is asked first, since it makes every comparison dearer.
create or replace function chronicle.update_statements(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        case
            when not bool_or(c.has_chunk_id)
                then E'        v_places := array_positions(array[%1$s], true);\n'
            else
                E'        if coalesce(%3$s) is null then\n'
                '            v_places := array_positions(array[%1$s], true);\n'
                '        else\n'
                '            v_places := array_positions(array[%2$s], true);\n'
                '        end if;\n'
        end
        || E'        foreach v_place in array v_places loop\n%4$s        end loop;\n',
        string_agg(c.comparison, ', ' order by c.place),
        string_agg(
            case
                when c.has_chunk_id then format(
                    '(pg_column_toast_chunk_id(old.%1$I) is null '
                    'or pg_column_toast_chunk_id(old.%1$I) '
                    'is distinct from pg_column_toast_chunk_id(new.%1$I)) and ',
                    c.column_name
                )
                else ''
            end || c.comparison,
            ', ' order by c.place
        ),
        string_agg(format('pg_column_toast_chunk_id(new.%I)', c.column_name), ', ' order by c.place)
        filter (where c.has_chunk_id),
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
