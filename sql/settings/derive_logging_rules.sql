create or replace function chronicle.derive_logging_rules()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_start text;
    v_key text;
    v_rule record;
begin
    -- Another change of the settings that is not over yet would not be seen, and then be undone.
    lock table chronicle.settings in share row exclusive mode;

    -- Where a key has "_" or "-" between two words, a masked key may have either, or neither;
    -- before the first word and after the last it may have them too. What has a meaning in patterns
    -- is escaped.
    select
        '"[_-]*(?:'
        || string_agg(p.pattern, '|' order by p.pattern) filter (where p.is_start) || ')',
        '[_-]*(?:'
        || string_agg(p.pattern, '|' order by p.pattern) filter (where not p.is_start) || ')[_-]*'
    into v_start, v_key
    from (
        select distinct
            x.is_start,
            regexp_replace(
                regexp_replace(x.name, E'[][*+?^$(){}|.\\\\]', E'\\\\\\&', 'g'),
                '[_-]+', '[_-]*', 'g'
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

    for v_rule in
        select r.name, r.type_name, r.value
        from (
            select
                case s.name
                    when 'enforce_resource_types' then 'enforces_resource_types'
                    when 'enforce_actions' then 'enforces_actions'
                    else s.name
                end as name,
                case s.name
                    when 'payload_limit_bytes' then 'pg_catalog.int4' else 'pg_catalog.bool'
                end as type_name,
                s.value::text as value
            from chronicle.settings as s
            where s.name in ('enforce_resource_types', 'enforce_actions', 'payload_limit_bytes')
            union all
            values
            ('masked_key_start', 'pg_catalog.text', v_start),
            ('masked_key', 'pg_catalog.text', v_key)
        ) as r
    loop
        execute format(
            'create or replace function chronicle.%I() returns %s language sql stable as %L',
            v_rule.name,
            v_rule.type_name,
            format('select %L::%s', v_rule.value, v_rule.type_name)
        );
    end loop;

    return null;
end
$$;

comment on function chronicle.derive_logging_rules() is
'Trigger function: writes the functions anew by which log_audit_event knows chronicle.settings.';

revoke execute on function chronicle.derive_logging_rules() from public;

create trigger settings_derive_logging_rules
after insert or update on chronicle.settings
for each statement execute function chronicle.derive_logging_rules();

comment on trigger settings_derive_logging_rules on chronicle.settings is
'Keeps in step what log_audit_event knows of the settings.';
