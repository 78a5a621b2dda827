-- The only exception block of a capture function. It holds no write, so it takes no transaction id.
-- Whatever goes wrong in it, the application's write goes on, and the event says what is missing.
create or replace function chronicle.rendering_block(
    _table regclass, _options chronicle.table_registry, _operation text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $block$
    begin
%1$s%2$s%3$s    exception
        when undefined_column or undefined_function or ambiguous_function or undefined_object
            or datatype_mismatch or data_exception or program_limit_exceeded or out_of_memory
            or internal_error
        then
%4$s    end;
    -- What is smaller can not be too long.
    if coalesce(pg_column_size(v_before), 0) + coalesce(pg_column_size(v_after), 0) > 16384
        and chronicle.is_too_long(array[v_before, v_after])
    then
        v_before := null;
        v_after := null;
        v_error := '54000: the states are longer than 256 MB, written as text';
    end if;
%5$s$block$,
        chronicle.key_statements(r.row, _table, _options),
        chronicle.shape_statements(_table, _options, r.row),
        case
            when _operation <> 'UPDATE' then chronicle.row_statements(_table, _options, r.row)
            else concat(
                chronicle.update_statements(_table, _options),
                -- Only columns that are not recorded have changed.
                E'        if v_changed is null then\n            return null;\n        end if;\n',
                case when _options.capture = 'full' then
                    chronicle.row_statements(_table, _options, 'old')
                    || chronicle.row_statements(_table, _options, 'new')
                end,
                chronicle.previous_key_statements(_table, _options)
            )
        end, -- 3
        chronicle.fallback_statements(_table, _options, _operation),
        case
            when _operation = 'UPDATE' and _options.key_columns <> '{}' then format(
                $related$
    if v_resource_id <> v_previous_id then
        v_related := jsonb_build_array(jsonb_build_object(
            'relation', 'previous_key', 'resource_type', %L, 'resource_id', v_previous_id
        ));
    end if;
$related$,
                _options.resource_type
            )
            else ''
        end -- 5
    )
    from (select case _operation when 'DELETE' then 'old' else 'new' end as row) as r
$$;

comment on function chronicle.rendering_block(regclass, chronicle.table_registry, text) is
'Private. The part of a capture function that renders a row. _options: the table''s row of the
registry. _operation: INSERT, UPDATE or DELETE.';

revoke execute on function chronicle.rendering_block(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.rendering_block(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;
