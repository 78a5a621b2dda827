create or replace function chronicle.previous_key_statements(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        E'        v_previous_id := %s;\n',
        chronicle.key_expression('old', _table, _options.key_columns)
    ) || case
        when bool_and(c.is_short) and count(*) = 1 then ''
        else E'        if octet_length(v_previous_id) > 1000 then\n'
            '            v_previous_id := chronicle.fitted_id(v_previous_id);\n'
            '        end if;\n'
    end
    from chronicle.capture_columns(_table, '{}') as c
    where c.column_name = any(_options.key_columns)
    having count(*) > 0
$$;

comment on function chronicle.previous_key_statements(regclass, chronicle.table_registry) is
'Private. The statements of a capture function that set v_previous_id; null for a table without a
key. _options: the table''s row of the registry.';

revoke execute on function chronicle.previous_key_statements(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.previous_key_statements(regclass, chronicle.table_registry)
to chronicle_writer, chronicle_table_reader;
