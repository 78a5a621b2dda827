-- In a column of JSON, a string in the image holds the text of the value: jsonb_populate_record
-- would take it for the value. What is not recorded is null, whatever the row holds today.
create or replace function chronicle.typed_columns(_table regclass, _table_id integer)
returns table (place integer, from_image text, from_row text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        a.attnum::integer,
        case
            when x.is_hidden then format('null::%s', x.type)
            when a.attgenerated = 'v' then format('(%s)', pg_get_expr(d.adbin, d.adrelid))
            when c.base_type in ('json'::regtype, 'jsonb'::regtype) and not c.is_array
                then format(
                    '(case '
                    'when pg_catalog.jsonb_typeof(i."!image" operator(pg_catalog.->) %1$L) '
                    'operator(pg_catalog.=) ''null'' then null '
                    'when pg_catalog.jsonb_typeof(i."!image" operator(pg_catalog.->) %1$L) '
                    'operator(pg_catalog.=) ''string'' then '
                    '(i."!image" operator(pg_catalog.->>) %1$L)::pg_catalog.%2$s '
                    'else (i."!image" operator(pg_catalog.->) %1$L)::pg_catalog.%2$s end)::%3$s',
                    a.attname,
                    c.base_type::regtype,
                    case when a.atttypid < 16384 then 'pg_catalog.' || x.type else x.type end
                )
            else format('p.%I', a.attname)
        end,
        case when x.is_hidden then format('null::%s', x.type) else format('old.%I', a.attname) end
    from pg_catalog.pg_attribute as a
    cross join chronicle.present_options(_table_id) as o
    cross join lateral (
        select
            a.attname = any(o.excluded_columns || o.masked_columns) as is_hidden,
            format_type(a.atttypid, a.atttypmod) as type
    ) as x
    left join chronicle.capture_columns(_table, '{}') as c on c.column_name = a.attname
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
$$;

comment on function chronicle.typed_columns(regclass, integer) is
'Private. For each column of a table the expressions that give its value: from an image in the
column "!image" of i, with p, the record that it populates; and from a row, old.';

revoke execute on function chronicle.typed_columns(regclass, integer) from public;
grant execute on function chronicle.typed_columns(regclass, integer) to chronicle_reader;
