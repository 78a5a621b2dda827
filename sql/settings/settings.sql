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
