-- Values are compared as text: jsonb holds 1.0 and 1.00 for equal, a record does not.
create or replace function chronicle.changed_keys(_before jsonb, _after jsonb)
returns text []
language sql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(k.key order by k.key collate "C"), '{}')
    from (
        select b.key from jsonb_each_text(_before) as b
        union
        select a.key from jsonb_each_text(_after) as a
    ) as k
    where (_before -> k.key)::text is distinct from (_after -> k.key)::text
$$;

comment on function chronicle.changed_keys(jsonb, jsonb) is
'Private. The keys whose values differ between two JSON objects, sorted; null if either is null.';

revoke execute on function chronicle.changed_keys(jsonb, jsonb) from public;
grant execute on function chronicle.changed_keys(jsonb, jsonb)
to chronicle_writer, chronicle_reader, chronicle_app;
