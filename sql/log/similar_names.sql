-- Only for hints, so a plain measure does: half the groups of three letters of the shorter name are
-- shared.
create or replace function chronicle.similar_names(_name text, _names text[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(quote_literal(s.name), ', ' order by s.shared desc, s.name)
    from (
        select n.name, count(*) as shared
        from unnest(_names) as n (name)
        cross join lateral generate_series(1, length(n.name) + 2) as i (place)
        where position(
            substr('  ' || lower(n.name) || ' ', i.place, 3) in '  ' || lower(_name) || ' '
        ) > 0
        group by n.name
        having 2 * count(*) >= least(length(n.name), length(_name)) + 2
        order by count(*) desc, n.name
        limit 3
    ) as s
$$;

comment on function chronicle.similar_names(text, text[]) is
'Private. Up to three of the names that look like _name, quoted and joined for a hint; null for
none.';

revoke execute on function chronicle.similar_names(text, text[]) from public;
grant execute on function chronicle.similar_names(text, text[])
to chronicle_writer, chronicle_app, chronicle_admin;
