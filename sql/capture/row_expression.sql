-- A function takes a hundred arguments, so fifty columns go into one call.
create or replace function chronicle.row_expression(
    _row text, _columns name[], _masked_columns name[], _user_typed_columns name[]
)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(b.call, ' || ' order by b.chunk), '''{}''::jsonb')
    from (
        select
            (c.place - 1) / 50 as chunk,
            'jsonb_build_object('
            || string_agg(
                format(
                    case
                        when c.name = any(_masked_columns)
                            then '%L, case when %s.%I is distinct from null then ''[masked]'' end'
                        when c.name = any(_user_typed_columns)
                            then '%L, case when %2$s.%3$I is distinct from null '
                                'then format(''%%s'', %2$s.%3$I) end'
                        else '%L, %s.%I'
                    end,
                    c.name, _row, c.name
                ),
                ', ' order by c.place
            )
            || ')' as call
        from unnest(_columns) with ordinality as c (name, place)
        group by 1
    ) as b
$$;

comment on function chronicle.row_expression(text, name[], name[], name[]) is
'Private. The text of an expression that renders columns of a row as a JSON object.
_row: old or new. _masked_columns: get "[masked]" in place of a value. _user_typed_columns: are
rendered by the output function of their type.';

revoke execute on function chronicle.row_expression(text, name[], name[], name[]) from public;
grant execute on function chronicle.row_expression(text, name[], name[], name[])
to chronicle_writer;
