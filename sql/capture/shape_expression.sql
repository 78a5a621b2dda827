-- Two tests in one expression. The types: a column that was given another type since might be
-- compared wrongly, and a cast that its owner made would run with the writer's rights; a user's
-- type is rendered safely whatever it becomes. The columns: a row compared with one of the columns
-- known here is equal to it, and the comparison raises 42804 by itself when their numbers differ.
create or replace function chronicle.shape_expression(_row text, _table regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        coalesce(
            string_agg(
                format('pg_typeof(%s.%I) = %L::regtype', _row, a.attname, a.type_name),
                ' and ' order by a.attnum
            ) filter (where not c.is_user_type) || ' and ',
            ''
        )
        || format(
            '%s::record operator(pg_catalog.*=) row(%s)::record',
            _row,
            string_agg(
                case
                    -- A row that a trigger is given holds no value for it.
                    when a.attgenerated = 'v' then 'null::' || a.type_name
                    else format('%s.%I', _row, a.attname)
                end,
                ', ' order by a.attnum
            )
        )
    from (
        select t.attname, t.attnum, t.attgenerated, t.atttypid::regtype::text as type_name
        from pg_catalog.pg_attribute as t
        where t.attrelid = _table and t.attnum > 0 and not t.attisdropped
    ) as a
    left join chronicle.capture_columns(_table) as c on c.column_name = a.attname
$$;

comment on function chronicle.shape_expression(text, regclass) is
'Private. The text of an expression that is true while the columns of a row, and their types, are
those of the table now; otherwise it is false, or raises 42804 or 42703. _row: old or new.';

revoke execute on function chronicle.shape_expression(text, regclass) from public;
grant execute on function chronicle.shape_expression(text, regclass) to chronicle_writer;
