create or replace function chronicle.derive_logging_rules()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_keys text[];
    v_pattern text;
begin
    select
        coalesce(array_agg(k.key), '{}'),
        -- Before, between and after the characters of a key, "_" and "-" may stand; characters with a
        -- meaning are escaped.
        '"[_-]*(?:' || string_agg(
            (
                select string_agg(
                    regexp_replace(c.letter, '[][*+?^$(){}|.\\]', '\\\&'), '[_-]*' order by c.place
                )
                from regexp_split_to_table(k.key, '') with ordinality as c (letter, place)
            ),
            '|'
        ) || ')[_-]*":'
    into v_keys, v_pattern
    from (
        select distinct chronicle.normalized_key(e.element) as key
        from chronicle.settings as s
        cross join lateral jsonb_array_elements_text(s.value) as e (element)
        where s.name = 'masked_keys'
    ) as k
    where k.key <> '';

    delete from chronicle.logging_rules;
    insert into chronicle.logging_rules (
        enforce_resource_types, enforce_actions, masked_keys, masked_keys_pattern, payload_limit_bytes
    )
    select
        bool_or(s.value = 'true') filter (where s.name = 'enforce_resource_types'),
        bool_or(s.value = 'true') filter (where s.name = 'enforce_actions'),
        v_keys,
        v_pattern,
        max((s.value #>> '{}')::integer) filter (where s.name = 'payload_limit_bytes')
    from chronicle.settings as s;

    return null;
end
$$;

comment on function chronicle.derive_logging_rules() is
'Trigger function: makes chronicle.logging_rules from chronicle.settings.';

revoke execute on function chronicle.derive_logging_rules() from public;

create trigger settings_derive_logging_rules
after insert or update on chronicle.settings
for each statement execute function chronicle.derive_logging_rules();

comment on trigger settings_derive_logging_rules on chronicle.settings is
'Keeps chronicle.logging_rules in step.';
