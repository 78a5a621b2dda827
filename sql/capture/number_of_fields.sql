create or replace function chronicle.number_of_fields(_row text)
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _row = '()' then 0
        else (
            select count(*)
            from regexp_matches(
                ',' || substr(_row, 2, length(_row) - 2),
                E',(?:"(?:[^"\\\\]|""|\\\\\\\\)*"|[^,"]*)',
                'g'
            )
        )
    end
$$;

comment on function chronicle.number_of_fields(text) is
'Private. How many fields the text form of a row has.';

revoke execute on function chronicle.number_of_fields(text) from public;
grant execute on function chronicle.number_of_fields(text)
to chronicle_writer, chronicle_table_reader;
