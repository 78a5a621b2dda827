-- That this is the table the function was made for, and as it was then. A trigger that somebody has
-- put on another table, or a column of another type, brings values whose casts would run with our
-- rights.
create or replace function chronicle.shape_statements(
    _table regclass, _options chronicle.table_registry, _row text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $statements$        if v_sees_past then
            if %1$s then
                raise exception 'its columns or types are others'
                    using errcode = 'datatype_mismatch';
            end if;
            -- The catalog is seen as it was when the transaction began; the row is of now.
            if array[%4$s]::oid[] <> %5$L::oid[] or %6$s then
                -- In a restored database types have other numbers, until the table is refreshed.
                if chronicle.planned_relations(%2$s, %3$L) is not null
                    and chronicle.is_captured_by(tg_relid, %2$s)
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
$statements$,
        -- A partition of a partition may be newer than the plan, so then the catalog is asked.
        format(
            'not coalesce(tg_relid = any(chronicle.planned_relations(%1$s, %2$L)) '
            'or coalesce(chronicle.planned_relations(%1$s, %2$L) <> ''{}'', true) '
            'and chronicle.is_captured_by(tg_relid, %1$s), false)',
            _options.table_id, _table::oid
        ), -- 1
        _options.table_id,
        _table::oid, -- 3
        string_agg(format('pg_typeof(%s.%I)::oid', _row, a.attname), ', ' order by a.attnum)
        filter (where a.attnum > 0),
        coalesce(array_agg(a.atttypid order by a.attnum) filter (where a.attnum > 0), '{}'), -- 5
        -- A partition may order its columns otherwise, so there they are counted.
        case
            when count(a.attnum) = 0 then 'false'
            when c.relkind = 'p' then format(
                '(select count(*) from chronicle.row_fields(format(''%%s'', %s))) <> %s',
                _row, count(a.attnum)
            )
            else format(
                '%s::record operator(pg_catalog.*<>) row(%s)::record',
                _row,
                string_agg(
                    case
                        -- A row that a trigger is given holds no value for it.
                        when a.attgenerated = 'v' then 'null::' || a.atttypid::regtype
                        else format('%s.%I', _row, a.attname)
                    end,
                    ', ' order by a.attnum
                ) filter (where a.attnum > 0)
            )
        end
    )
    from pg_catalog.pg_class as c
    left join pg_catalog.pg_attribute as a
        on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.oid = _table
    group by c.oid
$$;

comment on function chronicle.shape_statements(regclass, chronicle.table_registry, text) is
'Private. The statements of a capture function that look whether the row is one that it can render.
_options: the table''s row of the registry. _row: old or new.';

revoke execute on function chronicle.shape_statements(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.shape_statements(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;
