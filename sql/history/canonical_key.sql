create or replace function chronicle.canonical_key(_table_id integer, _record_id text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if _record_id is null then
        raise exception 'a record needs its key'
            using errcode = 'null_value_not_allowed',
                hint = 'Pass it as text; a composite key as a JSON object of its columns.';
    end if;
    if _record_id ~ '^[[:space:]]*[{]' and exists (
        select
        from chronicle.table_registry as r
        where r.table_id = _table_id and cardinality(r.key_columns) > 1
    ) then
        return chronicle.fitted_id((
            select jsonb_object_agg(k.key, k.value)::text
            from jsonb_each_text(_record_id::jsonb) as k (key, value)
        ));
    end if;
    return chronicle.fitted_id(_record_id);
exception when invalid_text_representation then
    raise exception 'the key is no JSON object: %', _record_id
        using errcode = 'invalid_parameter_value',
            detail = sqlerrm,
            hint = 'A composite key is a JSON object of its columns, '
                'for example {"region": "eu", "id": "7"}.';
end
$$;

comment on function chronicle.canonical_key(integer, text) is
'Private. A key as events hold it, however its JSON was written.
Errors: 22004 for null; 22023 for a composite key that is no JSON.';

revoke execute on function chronicle.canonical_key(integer, text) from public;
grant execute on function chronicle.canonical_key(integer, text) to chronicle_reader;
