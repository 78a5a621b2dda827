-- What can not be rendered column by column is taken from the text of the row.
create or replace function chronicle.fallback_statements(
    _table regclass, _options chronicle.table_registry, _operation text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $statements$            v_error := sqlstate || case
                when sqlstate like '42%%' then ': the table has changed since it was tracked: '
                else ': '
            end || sqlerrm;
            begin
                if v_sees_past then
                    v_columns := chronicle.present_columns(%1$s, tg_relid);
                else
                    v_columns := coalesce(
                        chronicle.planned_columns(%1$s, %2$L),
                        chronicle.present_columns(%1$s, tg_relid)
                    );
                end if;
                -- Nor is anything known of a table that is tracked for a shorter time than that.
                if (select count(*) from chronicle.row_fields(format('%%s', %3$s)))
                    is distinct from jsonb_array_length(v_columns -> 'names')
                then
                    perform chronicle.refuse_concurrent_change(tg_relid);
                end if;
%4$s                v_resource_id := chronicle.drifted_key(v_columns, %5$s);
                v_meta := jsonb_build_object('columns', v_columns -> 'numbers');
                v_organization_id := chronicle.fitted_id(
                    nullif(%5$s ->> (v_columns ->> 'organization'), '')
                );
%6$s            exception
                when data_exception or program_limit_exceeded or out_of_memory or internal_error
                then
                    v_before := null;
                    v_after := null;
%7$s            end;
$statements$,
        _options.table_id, -- 1
        _table::oid,
        case _operation when 'DELETE' then 'old' else 'new' end, -- 3
        concat(
            case when _operation <> 'INSERT' then
                E'                v_before := '
                'chronicle.drifted_image(v_columns, format(''%s'', old));\n'
            end,
            case when _operation <> 'DELETE' then
                E'                v_after := '
                'chronicle.drifted_image(v_columns, format(''%s'', new));\n'
            end,
            case when _operation = 'UPDATE' then
                E'                v_changed := chronicle.changed_keys(v_before, v_after);\n'
            end,
            case when _operation = 'UPDATE' and _options.excluded_columns <> '{}' then
                E'                if v_changed = ''{}'' then\n'
                '                    return null;\n                end if;\n'
            end,
            case when _operation = 'UPDATE' then
                E'                v_previous_id := '
                'chronicle.drifted_key(v_columns, v_before);\n'
            end
        ),
        case _operation when 'DELETE' then 'v_before' else 'v_after' end, -- 5
        concat(
            case when _operation <> 'INSERT' then
                E'                v_before := chronicle.masked_image(v_columns, v_before);\n'
            end,
            case when _operation <> 'DELETE' then
                E'                v_after := chronicle.masked_image(v_columns, v_after);\n'
            end
        ),
        case
            when _operation = 'UPDATE' then format(
                E'                    v_changed := null;\n'
                '                    if v_error not like ''42%%'' then\n'
                '                        v_changed := array_remove(array[%s]::text[], null);\n'
                '                    end if;\n',
                string_agg(
                    format('case when %s then %L end', c.comparison, c.column_name),
                    ', ' order by c.place
                )
            )
            else ''
        end -- 7
    )
    from chronicle.capture_columns(_table, _options.masked_columns) as c
    where c.column_name = any(_options.captured_columns)
$$;

comment on function chronicle.fallback_statements(regclass, chronicle.table_registry, text) is
'Private. The statements of a capture function for a row that could not be rendered. _options: the
table''s row of the registry. _operation: INSERT, UPDATE or DELETE.';

revoke execute on function chronicle.fallback_statements(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.fallback_statements(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;
