-- What an installation is set to, and what the application has declared.
-- depends: pgchronicle_0002_types_and_context

set local role chronicle_owner;

create table chronicle.settings (
    name text constraint settings_pkey primary key,
    value jsonb not null,
    description text not null,
    constraint settings_value_fits_name check (
        coalesce(
            case name
                when 'partition_interval' then value in ('"day"', '"week"', '"month"', '"quarter"')
                when 'partitions_ahead'
                    then
                        jsonb_typeof(value) = 'number'
                        and value between '1' and '100'
                        and value::text ~ '^[0-9]+$'
                when 'enforce_resource_types' then jsonb_typeof(value) = 'boolean'
                when 'enforce_actions' then jsonb_typeof(value) = 'boolean'
                when 'masked_keys'
                    then
                        jsonb_typeof(value) = 'array'
                        and not jsonb_path_exists(value, '$[*] ? (@.type() != "string" || @ == "")')
                        -- Keys are found in JSON text, where these would be escaped.
                        and position('\' in value::text) = 0
                when 'payload_limit_bytes'
                    then
                        jsonb_typeof(value) = 'number'
                        and value between '1024' and '200000000'
                        and value::text ~ '^[0-9]+$'
                when 'truncate_row_limit'
                    then
                        jsonb_typeof(value) = 'number'
                        and value between '0' and '1000000000'
                        and value::text ~ '^[0-9]+$'
            end,
            false
        )
    )
);

comment on table chronicle.settings is
'What this installation is set to. Change a value with chronicle.set_setting: the change is an
event.';
comment on column chronicle.settings.name is
'Name of the setting.';
comment on column chronicle.settings.value is
'Its value as JSON, of the type that settings_value_fits_name asks for.';
comment on column chronicle.settings.description is
'What it does, in a sentence.';

revoke all on chronicle.settings from public;
grant select on chronicle.settings
to chronicle_writer, chronicle_sealer, chronicle_table_reader, chronicle_reader, chronicle_app,
chronicle_admin;

-- What every call of log_audit_event has to know of the settings, as functions that return
-- constants: chronicle.derive_logging_rules writes them anew when a setting changes. They
-- inline, so that asking costs nothing, where reading a row cost each call 4 microseconds and
-- reading the settings several times that; hence no pinned search_path. The server discards the
-- plans into which the former ones were built; a transaction that is open meanwhile may ask the
-- former one once more.
create or replace function chronicle.enforces_resource_types()
returns boolean
language sql
stable
as $$
    select false::pg_catalog.bool
$$;

comment on function chronicle.enforces_resource_types() is
'Private. Whether the setting enforce_resource_types is on.';

revoke execute on function chronicle.enforces_resource_types() from public;
grant execute on function chronicle.enforces_resource_types() to chronicle_writer;

create or replace function chronicle.enforces_actions()
returns boolean
language sql
stable
as $$
    select false::pg_catalog.bool
$$;

comment on function chronicle.enforces_actions() is
'Private. Whether the setting enforce_actions is on.';

revoke execute on function chronicle.enforces_actions() from public;
grant execute on function chronicle.enforces_actions() to chronicle_writer;

create or replace function chronicle.masked_key_start()
returns text
language sql
stable
as $$
    select null::pg_catalog.text
$$;

comment on function chronicle.masked_key_start() is
'Private. Regular expression for the first letters of a masked key in JSON text: a quick test that
most events fail. Null when nothing is masked.';

revoke execute on function chronicle.masked_key_start() from public;
grant execute on function chronicle.masked_key_start() to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;

create or replace function chronicle.masked_key()
returns text
language sql
stable
as $$
    select null::pg_catalog.text
$$;

comment on function chronicle.masked_key() is
'Private. Regular expression for a masked key, to be matched whole and in any case. Null when
nothing is masked.';

revoke execute on function chronicle.masked_key() from public;
grant execute on function chronicle.masked_key() to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;

create or replace function chronicle.payload_limit_bytes()
returns integer
language sql
stable
as $$
    select 0::pg_catalog.int4
$$;

comment on function chronicle.payload_limit_bytes() is
'Private. The setting payload_limit_bytes.';

revoke execute on function chronicle.payload_limit_bytes() from public;
grant execute on function chronicle.payload_limit_bytes() to chronicle_writer;

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

-- Stands after the trigger that derives from it.
insert into chronicle.settings (name, value, description) values
(
    'partition_interval', '"month"',
    'Span of new partitions of chronicle.events: day, week, month or quarter. '
    'Those made before stay.'
),
(
    'partitions_ahead', '3',
    'How many partitions chronicle.ensure_partitions keeps ready beyond the present one.'
),
(
    'enforce_resource_types', 'false',
    'Whether chronicle.log_audit_event refuses a resource type '
    'that is not in chronicle.resource_types.'
),
(
    'enforce_actions', 'false',
    'Whether chronicle.log_audit_event refuses an action that is not in chronicle.actions.'
),
(
    'masked_keys',
    '["pass_word", "passwd", "pass_phrase", "password_hash", "secret", "client_secret",
      "secret_key", "token", "access_token", "refresh_token", "id_token", "session_token",
      "auth_token", "csrf_token", "api_key", "private_key", "authorization",
      "proxy_authorization", "cookie", "set_cookie", "credentials", "otp", "card_number",
      "credit_card", "credit_card_number", "cvv", "cvc", "pin", "ssn"]',
    'JSON keys, at any depth, and columns whose values are masked. '
    '"api_key" is also apiKey, API-KEY, _api_key.'
),
(
    'payload_limit_bytes', '16777216',
    'Greatest size of one logged event, all its fields together, in bytes.'
),
(
    'truncate_row_limit', '100000',
    'How many rows of one table a truncate records before they go; '
    'of those beyond, only the number.'
);

create table chronicle.resource_types (
    name text constraint resource_types_pkey primary key,
    description text not null,
    constraint resource_types_name_is_not_empty check (name <> '')
);

comment on table chronicle.resource_types is
'Resource types the application has declared. Binding while the setting enforce_resource_types is
true.';
comment on column chronicle.resource_types.name is
'As in chronicle.events.resource_type.';
comment on column chronicle.resource_types.description is
'What such a resource is.';

insert into chronicle.resource_types (name, description) values
('chronicle.action', 'A row of chronicle.actions'),
('chronicle.administrator', 'A row of chronicle.administrators'),
('chronicle.context_key', 'A row of chronicle.context_keys'),
('chronicle.resource_type', 'A row of chronicle.resource_types'),
('chronicle.setting', 'A row of chronicle.settings'),
('chronicle.tracked_table', 'A table whose changes are captured'),
('chronicle.trusted_gateway', 'A row of chronicle.trusted_gateways');

revoke all on chronicle.resource_types from public;
grant select on chronicle.resource_types
to chronicle_writer, chronicle_app, chronicle_reader, chronicle_admin;

create table chronicle.actions (
    name text constraint actions_pkey primary key,
    description text not null,
    constraint actions_name_is_not_empty check (name <> '')
);

comment on table chronicle.actions is
'Actions the application has declared. Binding while the setting enforce_actions is true.';
comment on column chronicle.actions.name is
'As in chronicle.events.action: domain.verb or domain.verb.subverb.';
comment on column chronicle.actions.description is
'What is done.';

insert into chronicle.actions (name, description) values
('chronicle.action.register', 'An action was declared or described anew'),
('chronicle.administrator.add', 'Somebody was made an administrator'),
('chronicle.administrator.remove', 'Somebody ceased to be an administrator'),
('chronicle.resource_type.register', 'A resource type was declared or described anew'),
('chronicle.setting.update', 'A setting was changed'),
('chronicle.tracking.disable', 'Capture of a table was ended'),
('chronicle.tracking.enable', 'Capture of a table was begun'),
('chronicle.tracking.update', 'Capture of a table goes on with other options');

revoke all on chronicle.actions from public;
grant select on chronicle.actions
to chronicle_writer, chronicle_app, chronicle_reader, chronicle_admin;
