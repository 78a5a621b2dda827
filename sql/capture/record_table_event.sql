-- Runs as the writer, for the functions that have read rows as somebody else and may not write to
-- the log: of a truncate, of a snapshot. The changes of single rows do not come through here.
create or replace function chronicle.record_table_event(
    _table_id integer,
    _origin chronicle.event_origin,
    _action_type chronicle.action_type,
    _verb text,
    _resource_id text,
    _organization_id text,
    _details_before jsonb,
    _details_after jsonb,
    _action_meta jsonb,
    _payload_error text
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_options chronicle.table_registry;
    v_context constant chronicle.event_context := chronicle.resolve_context();
    v_now constant timestamptz := clock_timestamp();
begin
    select r.* into strict v_options
    from chronicle.table_registry as r
    where r.table_id = _table_id;
    insert into chronicle.events (
        occurred_at, recorded_at, organization_id,
        actor_type,
        actor_id,
        actor_role, impersonator_id,
        is_ai_action,
        context_state, origin, action_type, action, action_meta, reason, resource_type,
        resource_id, table_id, details_before, details_after, payload_error, ai_operation_id,
        session_id, request_id, trace_id, operation_id,
        parent_event_id, ip_address, user_agent, client_info
    ) values (
        v_now, v_now, coalesce(_organization_id, v_context.organization_id),
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
        v_context.context_state, _origin, _action_type, v_options.resource_type || '.' || _verb,
        _action_meta, v_context.reason, v_options.resource_type,
        _resource_id, _table_id, _details_before, _details_after, _payload_error,
        v_context.ai_operation_id,
        v_context.session_id, v_context.request_id, v_context.trace_id, v_context.operation_id,
        v_context.parent_event_id, v_context.ip_address, v_context.user_agent, v_context.client_info
    );
end
$$;

comment on function chronicle.record_table_event(
    integer, chronicle.event_origin, chronicle.action_type, text, text, text, jsonb, jsonb, jsonb,
    text
) is
'Private. Records what was found of a tracked table as an event with the present context.
_verb: what follows the resource type in the action.';

revoke execute on function chronicle.record_table_event(
    integer, chronicle.event_origin, chronicle.action_type, text, text, text, jsonb, jsonb, jsonb,
    text
) from public;
grant execute on function chronicle.record_table_event(
    integer, chronicle.event_origin, chronicle.action_type, text, text, text, jsonb, jsonb, jsonb,
    text
) to chronicle_table_reader;
alter function chronicle.record_table_event(
    integer, chronicle.event_origin, chronicle.action_type, text, text, text, jsonb, jsonb, jsonb,
    text
) owner to chronicle_writer;
