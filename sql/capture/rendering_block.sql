-- The only exception block of a capture function. It holds no write, so it takes no transaction id.
-- Whatever goes wrong in it, the application's write goes on, and the event says what is missing.
create or replace function chronicle.rendering_block(
    _table regclass, _options chronicle.table_registry, _operation text
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_row constant text := case _operation when 'DELETE' then 'old' else 'new' end;
    v_changed text;
    v_is_short boolean;
    v_rendering text;
    v_misfit text;
    v_row_type record;
begin
    select string_agg(
        format('case when %s then %L end', c.comparison, c.column_name), ', ' order by c.place
    )
    into v_changed
    from chronicle.capture_columns(_table, _options.masked_columns) as c
    where c.column_name = any(_options.captured_columns);

    select bool_and(c.is_short) and count(*) = 1 into v_is_short
    from chronicle.capture_columns(_table, '{}') as c
    where c.column_name = any(_options.key_columns);

    v_rendering := case _operation
        when 'INSERT' then chronicle.row_statements(_table, _options, 'new')
        when 'DELETE' then chronicle.row_statements(_table, _options, 'old')
        when 'UPDATE' then
            coalesce(chronicle.update_statements(_table, _options), '')
            -- Only columns that are not recorded have changed.
            || E'        if v_changed is null then\n            return null;\n        end if;\n'
            || case _options.capture
                when 'full'
                    then chronicle.row_statements(_table, _options, 'old')
                    || chronicle.row_statements(_table, _options, 'new')
                else ''
            end
            || case
                when cardinality(_options.key_columns) = 0 then ''
                else format(
                    E'        v_previous_id := %s;\n',
                    chronicle.key_expression('old', _table, _options.key_columns)
                ) || case
                    when v_is_short then ''
                    else E'        if octet_length(v_previous_id) > 1000 then\n'
                        '            v_previous_id := chronicle.fitted_id(v_previous_id);\n'
                        '        end if;\n'
                end
            end
    end;

    -- That this is the table the function was made for, and as it was then. A trigger that somebody
    -- has put on another table brings rows of other types, whose casts would run with our rights.
    -- A partition of a partition may be newer than the plan, so then the catalog is asked.
    v_misfit := format(
        'not coalesce(tg_relid = any(chronicle.planned_relations(%1$s, %2$L)) '
        'or coalesce(chronicle.planned_relations(%1$s, %2$L) <> ''{}'', true) '
        'and chronicle.is_captured_by(tg_relid, %1$s), false)',
        _options.table_id, _table::oid
    );

    select
        string_agg(format('pg_typeof(%s.%I)::oid', v_row, a.attname), ', ' order by a.attnum)
            as expressions,
        array_agg(a.atttypid order by a.attnum) as types,
        -- A partition may order its columns otherwise, so there they are counted.
        case c.relkind
            when 'p' then format(
                'chronicle.number_of_fields(format(''%%s'', %s)) <> %s', v_row, count(*)
            )
            else format(
                '%s::record operator(pg_catalog.*<>) row(%s)::record',
                v_row,
                string_agg(
                    case
                        -- A row that a trigger is given holds no value for it.
                        when a.attgenerated = 'v' then 'null::' || a.atttypid::regtype
                        else format('%s.%I', v_row, a.attname)
                    end,
                    ', ' order by a.attnum
                )
            )
        end as width
    into v_row_type
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_attribute as a
        on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.oid = _table
    group by c.oid;

    -- What can not be rendered column by column is taken from the text of the row.
    return format(
        $block$
    begin
%2$s        if v_sees_past then
            if %1$s then
                raise exception 'its columns or types are others'
                    using errcode = 'datatype_mismatch';
            end if;
            -- The catalog is seen as it was when the transaction began; the row is of now.
            if array[%11$s]::oid[] <> %12$L::oid[] or %13$s then
                -- In a restored database types have other numbers, until the table is refreshed.
                if chronicle.planned_relations(%4$s, %5$L) is not null
                    and chronicle.is_captured_by(tg_relid, %4$s)
                then
                    perform chronicle.refuse_concurrent_change(tg_relid);
                end if;
                raise exception 'its columns or types are others'
                    using errcode = 'datatype_mismatch';
            end if;
        -- Apart from the above, since what is folded into a plan is what was seen when it was made.
        elsif %1$s then
            raise exception 'its columns or types are others' using errcode = 'datatype_mismatch';
        end if;
%3$s    exception
        when undefined_column or undefined_function or ambiguous_function or undefined_object
            or datatype_mismatch or data_exception or program_limit_exceeded or out_of_memory
            or internal_error
        then
            v_error := sqlstate || case
                when sqlstate like '42%%' then ': the table has changed since it was tracked: '
                else ': '
            end || sqlerrm;
            begin
                if v_sees_past then
                    v_columns := chronicle.present_columns(%4$s, tg_relid);
                else
                    v_columns := coalesce(
                        chronicle.planned_columns(%4$s, %5$L),
                        chronicle.present_columns(%4$s, tg_relid)
                    );
                end if;
                -- Nor is anything known of a table that is tracked for a shorter time than that.
                if chronicle.number_of_fields(format('%%s', %14$s))
                    is distinct from jsonb_array_length(v_columns -> 'names')
                then
                    perform chronicle.refuse_concurrent_change(tg_relid);
                end if;
%6$s                v_resource_id := chronicle.drifted_key(v_columns, %7$s);
                v_meta := jsonb_build_object('columns', v_columns -> 'numbers');
                v_organization_id := chronicle.fitted_id(
                    nullif(%7$s ->> (v_columns ->> 'organization'), '')
                );
%8$s            exception
                when data_exception or program_limit_exceeded or out_of_memory or internal_error
                then
                    v_before := null;
                    v_after := null;
%10$s            end;
    end;
%9$s$block$,
        v_misfit, -- 1
        chronicle.key_statements(v_row, _table, _options),
        v_rendering, -- 3
        _options.table_id,
        _table::oid, -- 5
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
                || case
                    when cardinality(_options.excluded_columns) = 0 then ''
                    else E'                if v_changed = ''{}'' then\n'
                        '                    return null;\n                end if;\n'
                end
                || E'                v_previous_id := '
                'chronicle.drifted_key(v_columns, v_before);\n'
            end
        ),
        case _operation when 'DELETE' then 'v_before' else 'v_after' end, -- 7
        concat(
            case when _operation <> 'INSERT' then
                E'                v_before := chronicle.masked_image(v_columns, v_before);\n'
            end,
            case when _operation <> 'DELETE' then
                E'                v_after := chronicle.masked_image(v_columns, v_after);\n'
            end
        ),
        case
            when _operation <> 'UPDATE' or cardinality(_options.key_columns) = 0 then ''
            else format(
                $related$
    if v_resource_id <> v_previous_id then
        v_related := jsonb_build_array(jsonb_build_object(
            'relation', 'previous_key', 'resource_type', %L, 'resource_id', v_previous_id
        ));
    end if;
$related$,
                _options.resource_type
            )
        end, -- 9
        case
            when _operation = 'UPDATE' then format(
                E'                    v_changed := null;\n'
                '                    if v_error not like ''42%%'' then\n'
                '                        v_changed := array_remove(array[%s]::text[], null);\n'
                '                    end if;\n',
                v_changed
            )
            else ''
        end,
        v_row_type.expressions, -- 11
        coalesce(v_row_type.types, '{}'),
        coalesce(v_row_type.width, 'false'), -- 13
        v_row
    );
end
$$;

comment on function chronicle.rendering_block(regclass, chronicle.table_registry, text) is
'Private. The part of a capture function that renders a row. _options: the table''s row of the
registry. _operation: INSERT, UPDATE or DELETE.';

revoke execute on function chronicle.rendering_block(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.rendering_block(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;
