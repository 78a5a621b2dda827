-- A function takes a hundred arguments, so fifty keys go into one call.
create or replace function chronicle.object_expression(_names name[], _values text[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        string_agg('jsonb_build_object(' || c.pairs || ')', ' || ' order by c.chunk),
        '''{}''::jsonb'
    )
    from (
        select
            (p.place - 1) / 50 as chunk,
            string_agg(quote_literal(p.name) || ', ' || p.value, ', ' order by p.place) as pairs
        from unnest(_names, _values) with ordinality as p (name, value, place)
        group by 1
    ) as c
$$;

comment on function chronicle.object_expression(name[], text[]) is
'Private. The text of an expression that builds a JSON object of names and the expressions of their
values.';

revoke execute on function chronicle.object_expression(name[], text[]) from public;
grant execute on function chronicle.object_expression(name[], text[])
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
