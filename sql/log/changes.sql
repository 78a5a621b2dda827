create or replace function chronicle.changes(_before jsonb, _after jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        jsonb_object_agg(
            k.key,
            case
                when _before ? k.key then jsonb_build_object('old', _before -> k.key) else '{}'
            end
            || case
                when _after ? k.key then jsonb_build_object('new', _after -> k.key) else '{}'
            end
        ),
        '{}'
    )
    from unnest(
        chronicle.changed_keys(coalesce(_before, '{}'), coalesce(_after, '{}'))
    ) as k (key)
$$;

comment on function chronicle.changes(jsonb, jsonb) is
'The structured difference of two states: an object with a key for each that differs, whose value
holds "old" where the key was there before and "new" where it is there after. A null state counts as
empty.';

revoke execute on function chronicle.changes(jsonb, jsonb) from public;
grant execute on function chronicle.changes(jsonb, jsonb) to chronicle_app, chronicle_reader;
