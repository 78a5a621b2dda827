-- Runs as the writer, for the functions of pgchronicle that may not write to the log themselves:
-- what is done to pgchronicle, and what was read of a tracked table as somebody else (a truncate, a
-- snapshot). Changes of single rows do not come through here.
create or replace function chronicle.record_internal_event(
    _origin chronicle.event_origin,
    _action_type chronicle.action_type,
    _action text,
    _resource_type text,
    _resource_id text,
    _organization_id text,
    _details_before jsonb,
    _details_after jsonb,
    _action_meta jsonb default null,
    _table_id integer default null,
    _parent_event_id uuid default null,
    _payload_error text default null
)
returns uuid
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_context constant chronicle.event_context := chronicle.resolve_context();
    v_event_id constant uuid := chronicle.uuid_v7();
    v_now constant timestamptz := clock_timestamp();
begin
    -- See chronicle.is_too_long: what can not be sealed is not recorded.
    if coalesce(pg_column_size(_details_before), 0) + coalesce(pg_column_size(_details_after), 0)
        + coalesce(pg_column_size(_action_meta), 0) > 16384
        and chronicle.is_too_long(array[_details_before, _details_after, _action_meta])
    then
        raise exception 'what is to be recorded is longer than 256 MB, written as text'
            using errcode = 'program_limit_exceeded',
                detail = format('It is an event %s.', _action),
                hint = 'Say it in fewer words.';
    end if;

    insert into chronicle.events (
        event_id, occurred_at, recorded_at, organization_id,
        actor_type,
        actor_id,
        actor_role, impersonator_id,
        is_ai_action,
        context_state, origin, action_type, action, action_meta, reason, resource_type,
        resource_id, table_id, details_before, details_after,
        changed_columns, payload_error, ai_operation_id, session_id, request_id, trace_id,
        operation_id, parent_event_id, ip_address, user_agent,
        client_info
    ) values (
        v_event_id, v_now, v_now, _organization_id,
        coalesce(
            v_context.actor_type,
            case when v_context.actor_id is null then 'system' else 'user' end::chronicle.actor_type
        ),
        case
            when v_context.actor_type is null then coalesce(v_context.actor_id, session_user)
            else v_context.actor_id
        end,
        v_context.actor_role, v_context.impersonator_id,
        coalesce(v_context.actor_type = 'ai', false) or v_context.ai_operation_id is not null,
        v_context.context_state, _origin, _action_type, _action, _action_meta, v_context.reason,
        _resource_type,
        _resource_id, _table_id, _details_before, _details_after,
        chronicle.changed_keys(_details_before, _details_after), _payload_error,
        v_context.ai_operation_id, v_context.session_id, v_context.request_id, v_context.trace_id,
        v_context.operation_id, coalesce(_parent_event_id, v_context.parent_event_id),
        v_context.ip_address, v_context.user_agent, v_context.client_info
    );
    return v_event_id;
end
$$;

comment on function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) is
'Private. Records what pgchronicle itself has to tell as an event, by the actor of the context.
Returns its id. The arguments are columns of chronicle.events; the organization is not taken from
the context. Errors: 54000 for documents of more than 256 MB.';

revoke execute on function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) from public;
grant execute on function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) to chronicle_table_reader;
alter function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) owner to chronicle_writer;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_writer;
grant execute on function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) to chronicle_owner;
set local role chronicle_owner;
