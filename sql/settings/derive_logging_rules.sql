create or replace function chronicle.derive_logging_rules()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_start text;
    v_key text;
begin
    -- Another change of the settings that is not over yet would not be seen, and then be undone.
    lock table chronicle.logging_rules in share row exclusive mode;

    -- Where a key has "_" or "-" between two words, a masked key may have either, or neither;
    -- before the first word and after the last it may have them too. What has a meaning in patterns
    -- is escaped.
    select
        '"[_-]*(?:' || string_agg(p.pattern, '|') filter (where p.is_start) || ')',
        '[_-]*(?:' || string_agg(p.pattern, '|') filter (where not p.is_start) || ')[_-]*'
    into v_start, v_key
    from (
        select distinct
            x.is_start,
            regexp_replace(
                regexp_replace(x.name, '[][*+?^$(){}|.\\]', '\\\&', 'g'), '[_-]+', '[_-]*', 'g'
            ) as pattern
        from chronicle.settings as s
        cross join lateral jsonb_array_elements_text(s.value) as e (element)
        cross join lateral btrim(e.element, '_-') as k (name)
        cross join lateral (
            values
            (false, k.name), (true, substring(k.name from '^(?:[_-]*[^_-]){1,4}'))
        ) as x (is_start, name)
        where s.name = 'masked_keys' and k.name <> ''
    ) as p;

    delete from chronicle.logging_rules;
    insert into chronicle.logging_rules (
        enforce_resource_types, enforce_actions, masked_key_start, masked_key, payload_limit_bytes
    )
    select
        bool_or(s.value = 'true') filter (where s.name = 'enforce_resource_types'),
        bool_or(s.value = 'true') filter (where s.name = 'enforce_actions'),
        v_start,
        v_key,
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
