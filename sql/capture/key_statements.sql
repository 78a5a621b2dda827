-- What is indexed has to fit into an index entry; what is longer is given by its digest, and the
-- row itself has the value. Where the type bounds the text, nothing needs to be asked.
create or replace function chronicle.key_statements(
    _row text, _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(
        format(
            E'        %1$s := %2$s;\n'
            || case when x.is_short then '' else
                E'        if octet_length(%1$s) > 1000 then\n'
                '            %1$s := ''sha256:'' '
                '|| encode(sha256(convert_to(%1$s, ''UTF8'')), ''hex'');\n'
                '        end if;\n'
            end,
            x.variable, x.value
        ),
        '' order by x.place
    ), '')
    from (
        select 1 as place, 'v_resource_id' as variable, k.value, k.is_short
        from (
            select
                chronicle.key_expression(_row, _table, _options.key_columns) as value,
                bool_and(c.is_short) and cardinality(_options.key_columns) = 1 as is_short
            from chronicle.capture_columns(_table, '{}') as c
            where c.column_name = any(_options.key_columns)
            having cardinality(_options.key_columns) > 0
        ) as k
        union all
        select
            2, 'v_organization_id',
            format('nullif(format(''%%s'', %s.%I), '''')', _row, c.column_name), c.is_short
        from chronicle.capture_columns(_table, '{}') as c
        where c.column_name = _options.organization_column
    ) as x
$$;

comment on function chronicle.key_statements(text, regclass, chronicle.table_registry) is
'Private. The statements of a capture function that set v_resource_id and v_organization_id.
_row: old or new. _options: the table''s row of the registry.';

revoke execute on function chronicle.key_statements(text, regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.key_statements(text, regclass, chronicle.table_registry)
to chronicle_writer, chronicle_table_reader;
