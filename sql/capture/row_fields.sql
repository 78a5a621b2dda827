-- The text form is what the server makes of any row without running a cast of its types.
create or replace function chronicle.row_fields(_row text)
returns table (place bigint, value text)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select
        m.place,
        case
            when m.field[1] is not null
                then replace(replace(m.field[1], '""', '"'), E'\\\\', E'\\')
            else nullif(m.field[2], '')
        end
    from regexp_matches(
        ',' || substr(_row, 2, length(_row) - 2),
        E',(?:"((?:[^"\\\\]|""|\\\\\\\\)*)"|([^,"]*))',
        'g'
    ) with ordinality as m (field, place)
    where _row <> '()'
$$;

comment on function chronicle.row_fields(text) is
'Private. The fields of the text form of a row, in their order.';

revoke execute on function chronicle.row_fields(text) from public;
grant execute on function chronicle.row_fields(text) to chronicle_writer, chronicle_table_reader;
