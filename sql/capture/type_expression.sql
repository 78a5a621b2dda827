create or replace function chronicle.type_expression(_row text, _table regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        string_agg(
            format('pg_typeof(%s.%I) = %L::regtype', _row, c.column_name, c.type_name),
            ' and ' order by c.place
        ),
        'true'
    )
    from chronicle.capture_columns(_table) as c
    where not c.is_user_type
$$;

comment on function chronicle.type_expression(text, regclass) is
'Private. The text of an expression that is true while the columns of a row still have the types
they have now. Columns of users'' types are left out: they are rendered safely whatever they become.
_row: old or new.';

revoke execute on function chronicle.type_expression(text, regclass) from public;
grant execute on function chronicle.type_expression(text, regclass) to chronicle_writer;
