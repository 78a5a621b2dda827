-- The columns of the key are compared in their types, so that an index serves, and as text, since
-- '01' is no name of 1. A key that is known by its digest is looked for row by row.
create or replace function chronicle.record_condition(
    _table regclass, _table_id integer, _record_id text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select concat(
        c.condition || ' and ',
        format(
            'chronicle.fitted_id(%s) = %L',
            chronicle.key_expression('old', _table, o.key_columns), _record_id
        )
    )
    from chronicle.present_options(_table_id) as o
    cross join lateral (
        select string_agg(
            case
                when v.value is null then format('old.%I is null', k.name)
                else format('old.%I = %L', k.name, v.value)
            end,
            ' and ' order by k.place
        ) as condition
        from unnest(o.key_columns) with ordinality as k (name, place)
        cross join lateral (
            select case
                when cardinality(o.key_columns) = 1 then _record_id
                else _record_id::jsonb ->> k.name
            end as value
        ) as v
        where _record_id !~ '^sha256:'
    ) as c
$$;

comment on function chronicle.record_condition(regclass, integer, text) is
'Private. The text of a condition that finds the row old by its resource_id.';

revoke execute on function chronicle.record_condition(regclass, integer, text) from public;
grant execute on function chronicle.record_condition(regclass, integer, text)
to chronicle_reader;
