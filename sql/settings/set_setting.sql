-- Runs as the owner of the table of settings. The change and the event that tells of it are one.
create or replace function chronicle.set_setting(_name text, _value jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before jsonb;
begin
    -- One change after the other: what logging goes by is derived from all settings.
    lock table chronicle.settings in share row exclusive mode;

    select s.value into v_before from chronicle.settings as s where s.name = _name for update;
    if not found then
        raise exception 'there is no setting "%"', coalesce(_name, 'null')
            using errcode = 'invalid_parameter_value',
                hint = 'Settings are: ' || (
                    select string_agg(s.name, ', ' order by s.name) from chronicle.settings as s
                ) || '.';
    end if;
    if _value is null then
        raise exception 'the setting "%" needs a value', _name
            using errcode = 'null_value_not_allowed',
                hint = format('It is %s now. Values are JSON.', v_before);
    end if;
    if v_before::text = _value::text then
        return;
    end if;

    begin
        update chronicle.settings as s set value = _value where s.name = _name;
    exception when check_violation then
        raise exception 'the setting "%" does not take the value %', _name, _value
            using errcode = 'invalid_parameter_value',
                detail = (select s.description from chronicle.settings as s where s.name = _name),
                hint = format('It stays %s.', v_before);
    end;

    perform chronicle.log_management_event(
        'update', 'chronicle.setting.update', 'chronicle.setting', _name,
        jsonb_build_object('value', v_before), jsonb_build_object('value', _value)
    );
end
$$;

comment on function chronicle.set_setting(text, jsonb) is
'Changes one row of chronicle.settings and records that as an event. Setting the value it has does
nothing.
_name: a name in chronicle.settings. _value: its new value as JSON, so text needs its quotes.
Errors: 22023 for an unknown name or a value that does not fit it; 22004 for null.';

revoke execute on function chronicle.set_setting(text, jsonb) from public;
grant execute on function chronicle.set_setting(text, jsonb) to chronicle_admin;
