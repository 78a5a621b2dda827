-- Recursive, and slow beside what surrounds it: callers first ask whether there is anything to
-- mask.
create or replace function chronicle.mask_keys(_value jsonb, _masked_key text)
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    return case jsonb_typeof(_value)
        when 'object' then (
            select coalesce(
                jsonb_object_agg(
                    f.key,
                    case
                        when f.key !~* ('^' || _masked_key || '$')
                            then chronicle.mask_keys(f.value, _masked_key)
                        when f.value = 'null' then f.value
                        else '"[masked]"'
                    end
                ),
                '{}'
            )
            from jsonb_each(_value) as f
        )
        when 'array' then (
            select coalesce(
                jsonb_agg(chronicle.mask_keys(e.element, _masked_key) order by e.place), '[]'
            )
            from jsonb_array_elements(_value) with ordinality as e (element, place)
        )
        else _value
    end;
end
$$;

comment on function chronicle.mask_keys(jsonb, text) is
'Private. The JSON value with "[masked]" in place of the values of the given keys, at any depth;
null values stay. _masked_key: as chronicle.masked_key.';

revoke execute on function chronicle.mask_keys(jsonb, text) from public;
grant execute on function chronicle.mask_keys(jsonb, text) to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;
