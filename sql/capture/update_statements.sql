-- One "if" a column. Small columns stand in groups of eight whose images are compared first: most
-- updates change few columns, and an expression that is not reached costs nothing, where every one
-- that is has to be made ready once a transaction. A column that may be large stands alone: to
-- compare its image, the server would fetch a value that is stored apart.
create or replace function chronicle.update_statements(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        case
            when g.may_be_large then g.statements
            else format(
                E'        if row(%s)::record operator(pg_catalog.*<>) row(%s)::record then\n'
                '%s        end if;\n',
                g.old_row, g.new_row, g.statements
            )
        end,
        '' order by g.place
    )
    from (
        select
            c.may_be_large,
            min(c.place) as place,
            string_agg(format('old.%I', c.column_name), ', ' order by c.place) as old_row,
            string_agg(format('new.%I', c.column_name), ', ' order by c.place) as new_row,
            string_agg(
                format(
                    E'            if %1$s then\n'
                    '                v_changed := array_append(v_changed, %2$L);\n'
                    || case
                        when _options.capture = 'full' then ''
                        else
                            E'                v_before := v_before '
                            '|| jsonb_build_object(%2$L, %3$s);\n'
                            '                v_after := v_after '
                            '|| jsonb_build_object(%2$L, %4$s);\n'
                    end
                    || E'            end if;\n',
                    c.comparison, c.column_name, c.old_value, c.new_value
                ),
                '' order by c.place
            ) as statements
        from (
            select
                n.*,
                -- Neighbours only, so that columns are named in their order.
                case
                    when n.may_be_large then n.place
                    else (
                        row_number() over (partition by n.neighbours order by n.place) - 1
                    ) / 8
                end as chunk
            from (
                select
                    a.*,
                    count(*) filter (where a.may_be_large) over (order by a.place) as neighbours
                from chronicle.capture_columns(_table, _options.masked_columns) as a
                where a.column_name = any(_options.captured_columns)
            ) as n
        ) as c
        group by c.may_be_large, c.neighbours, c.chunk
    ) as g
$$;

comment on function chronicle.update_statements(regclass, chronicle.table_registry) is
'Private. The statements of a capture function that find what an update changed and render it.
_options: the table''s row of the registry.';

revoke execute on function chronicle.update_statements(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.update_statements(regclass, chronicle.table_registry)
to chronicle_writer, chronicle_table_reader;
