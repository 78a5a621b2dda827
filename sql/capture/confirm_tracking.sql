-- Runs as the writer, who owns the capture function and the right to log.
create or replace function chronicle.confirm_tracking(
    _table regclass, _table_id integer, _action text, _options_before jsonb
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
begin
    execute format(
        'revoke execute on function chronicle_capture.capture_%s() from chronicle_admin, chronicle_writer', _table_id
    );
    if chronicle.tracked_table_id(_table) is distinct from _table_id then
        raise exception 'the capture triggers of % do not stand', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;

    select * into strict v_options from chronicle.table_registry as r where r.table_id = _table_id;
    perform chronicle.log_management_event(
        case _action when 'enable' then 'create' else 'update' end::chronicle.action_type,
        'chronicle.tracking.' || _action,
        'chronicle.tracked_table',
        format('%I.%I', v_options.schema_name, v_options.table_name),
        _options_before,
        chronicle.tracking_options(v_options)
    );
end
$$;

comment on function chronicle.confirm_tracking(regclass, integer, text, jsonb) is
'Private. Closes the capture function to everybody, checks that the triggers stand and records the change of
tracking. _action: enable or update.';

revoke execute on function chronicle.confirm_tracking(regclass, integer, text, jsonb) from public;
grant execute on function chronicle.confirm_tracking(regclass, integer, text, jsonb) to chronicle_admin;
alter function chronicle.confirm_tracking(regclass, integer, text, jsonb) owner to chronicle_writer;
